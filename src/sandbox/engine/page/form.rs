//! What a form on a page holds: its controls as a browser would send them.

use scraper::{ElementRef, Html};

use super::dom;

/// A control that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Control {
    /// Its name.
    pub(super) name: String,
    /// What it is.
    pub(super) kind: Kind,
    /// What it sends as the page stands; nothing when it is not checked or not selected.
    pub(super) values: Vec<String>,
}

/// The kinds of control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text of any sort.
    Text,
    /// A check box with the value it sends when checked.
    Checkbox(String),
    /// A radio button with its value.
    Radio(String),
    /// A choice among options: value and label of each.
    Select(Vec<(String, String)>),
    /// A file.
    File,
}

/// A button that submits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Button {
    /// Its id, or nothing.
    pub(super) id: String,
    /// Its name, or nothing.
    pub(super) name: String,
    /// What it sends.
    pub(super) value: String,
    /// Whether it is an image, which sends where it was pressed.
    pub(super) is_image: bool,
    /// How many controls of the form stand before it.
    pub(super) at: usize,
    /// What stands on it.
    pub(super) label: String,
    /// Where it sends the form, when not to the form's own address.
    pub(super) action: Option<String>,
    /// How, when not by the form's own method.
    pub(super) method: Option<String>,
    /// In which form, when not the form's own.
    pub(super) encoding: Option<String>,
}

/// A form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Form {
    /// Where it is sent; `None` is the page itself.
    pub(super) action: Option<String>,
    /// In lower case.
    pub(super) method: String,
    /// The media type, in lower case.
    pub(super) encoding: String,
    /// In the order in which they stand.
    pub(super) controls: Vec<Control>,
    /// In the order in which they stand.
    pub(super) buttons: Vec<Button>,
}

/// The form that a selector means, or why there is none.
pub(super) fn find<'a>(html: &'a Html, css: Option<&str>) -> Result<ElementRef<'a>, String> {
    let forms = dom::select(html, "form")?;
    let Some(css) = css else {
        return match forms.as_slice() {
            [only] => Ok(*only),
            [] => Err("there is no form".to_owned()),
            _ => Err(format!("there are {}; say which one", list(&forms))),
        };
    };
    let found = dom::select(html, css)?.into_iter().find_map(|element| owner(html, element));
    found.ok_or_else(|| match forms.len() {
        0 => format!("no form matches {css:?}, and there is no form at all"),
        _ => format!("no form matches {css:?}; there are {}", list(&forms)),
    })
}

/// The form that an element belongs to.
pub(super) fn owner<'a>(html: &'a Html, element: ElementRef<'a>) -> Option<ElementRef<'a>> {
    if let Some(id) = element.attr("form") {
        let forms = dom::select(html, "form[id]").ok()?;
        return forms.into_iter().find(|form| form.attr("id") == Some(id));
    }
    dom::closest(element, "form")
}

/// The forms of a page, in words.
fn list(forms: &[ElementRef<'_>]) -> String {
    let form = |form: &ElementRef<'_>| {
        let id = form.attr("id").map(|id| format!("#{id}"));
        let name = form.attr("name").map(|name| format!("[name={name:?}]"));
        let method = form.attr("method").unwrap_or("get").to_ascii_uppercase();
        let what = id.or(name).unwrap_or_else(|| "form".to_owned());
        format!("{what} ({method} {})", form.attr("action").unwrap_or("to the page itself"))
    };
    let forms: Vec<String> = forms.iter().take(10).map(form).collect();
    format!("these forms: {}", forms.join(", "))
}

/// Reads a form.
pub(super) fn read(html: &Html, form: ElementRef<'_>) -> Form {
    let lower = |name: &str| form.attr(name).map(|text| text.trim().to_ascii_lowercase());
    let mut read = Form {
        action: form.attr("action").map(str::to_owned).filter(|action| !action.is_empty()),
        method: lower("method").unwrap_or_else(|| "get".to_owned()),
        encoding: lower("enctype").unwrap_or_default(),
        ..Form::default()
    };
    let all = dom::select(html, "input, select, textarea, button").unwrap_or_default();
    for element in all {
        let is_suggestion = dom::closest(element, "datalist").is_some();
        if owner(html, element) != Some(form) || is_disabled(element) || is_suggestion {
            continue;
        }
        if let Some(button) = button(element, read.controls.len()) {
            read.buttons.push(button);
        } else if let Some(control) = control(element) {
            read.controls.push(control);
        }
    }
    read
}

fn is_disabled(element: ElementRef<'_>) -> bool {
    let in_disabled_fieldset = || {
        let mut inside = *element;
        for around in element.ancestors() {
            if let Some(fieldset) = ElementRef::wrap(around)
                && fieldset.value().name() == "fieldset"
                && fieldset.attr("disabled").is_some()
            {
                // What stands in its first legend is not disabled with it.
                let mut children = fieldset.child_elements();
                let legend = children.find(|child| child.value().name() == "legend");
                if legend.is_none_or(|legend| *legend != inside) {
                    return true;
                }
            }
            inside = around;
        }
        false
    };
    element.attr("disabled").is_some() || in_disabled_fieldset()
}

fn button(element: ElementRef<'_>, at: usize) -> Option<Button> {
    let kind = element.attr("type").map(str::to_ascii_lowercase);
    let attr = |name: &str| element.attr(name).map(str::to_owned);
    let submits = match (element.value().name(), kind.as_deref()) {
        ("button", kind) => !matches!(kind, Some("button" | "reset")),
        ("input", kind) => matches!(kind, Some("submit" | "image")),
        _ => false,
    };
    submits.then(|| Button {
        id: attr("id").unwrap_or_default(),
        name: attr("name").unwrap_or_default(),
        value: attr("value").unwrap_or_default(),
        is_image: is_image(element),
        at,
        label: label(element),
        action: attr("formaction"),
        method: attr("formmethod").map(|text| text.to_ascii_lowercase()),
        encoding: attr("formenctype").map(|text| text.to_ascii_lowercase()),
    })
}

fn is_image(element: ElementRef<'_>) -> bool {
    let kind = element.attr("type").unwrap_or_default();
    element.value().name() == "input" && kind.eq_ignore_ascii_case("image")
}

/// What stands on a link or button.
pub(super) fn label(element: ElementRef<'_>) -> String {
    match element.value().name() {
        "input" if is_image(element) => element.attr("alt").unwrap_or_default().to_owned(),
        "input" => element.attr("value").unwrap_or("Submit").to_owned(),
        _ => dom::text(element),
    }
}

impl Button {
    /// Names and values that it sends when it is pressed.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let name = &self.name;
        match (self.is_image, name.is_empty()) {
            // Pressed without a pointer, an image is pressed in its corner.
            (true, true) => vec![pair("x", "0"), pair("y", "0")],
            (true, false) => vec![pair(&format!("{name}.x"), "0"), pair(&format!("{name}.y"), "0")],
            (false, true) => Vec::new(),
            (false, false) => vec![pair(name, &self.value)],
        }
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn control(element: ElementRef<'_>) -> Option<Control> {
    let name = element.attr("name").filter(|name| !name.is_empty())?.to_owned();
    let value = || element.attr("value").unwrap_or_default().to_owned();
    let checked = |value: &String| match element.attr("checked") {
        Some(_) => vec![value.clone()],
        None => Vec::new(),
    };
    let (kind, values) = match element.value().name() {
        "textarea" => (Kind::Text, vec![element.text().collect()]),
        "select" => return Some(select(name, element)),
        "input" => match element.attr("type").unwrap_or("text").to_ascii_lowercase().as_str() {
            "button" | "reset" => return None,
            "checkbox" => {
                let value = element.attr("value").unwrap_or("on").to_owned();
                let values = checked(&value);
                (Kind::Checkbox(value), values)
            }
            "radio" => {
                let value = element.attr("value").unwrap_or("on").to_owned();
                let values = checked(&value);
                (Kind::Radio(value), values)
            }
            "file" => (Kind::File, Vec::new()),
            "hidden" => (Kind::Text, vec![value()]),
            // A field of one line holds no line breaks, whatever the page says.
            _ => (Kind::Text, vec![value().replace(['\r', '\n'], "")]),
        },
        _ => return None,
    };
    Some(Control { name, kind, values })
}

/// HTML, section 4.10.7: of a list that takes one, the option that was selected last counts, and
/// without any the first that can be. One that is disabled may be selected, as the usual "please
/// choose" is; then nothing is sent.
fn select(name: String, element: ElementRef<'_>) -> Control {
    let mut options = Vec::new();
    let mut selected = Vec::new();
    let all = element.descendent_elements().filter(|inner| inner.value().name() == "option");
    for option in all {
        let label = dom::text(option);
        let value = option.attr("value").map_or_else(|| label.clone(), str::to_owned);
        let group = dom::closest(option, "optgroup");
        let is_disabled = option.attr("disabled").is_some()
            || group.is_some_and(|group| group.attr("disabled").is_some());
        if option.attr("selected").is_some() {
            selected.push((!is_disabled).then(|| value.clone()));
        }
        if !is_disabled {
            options.push((value, label));
        }
    }
    if element.attr("multiple").is_none() {
        let size = element.attr("size").and_then(|size| size.trim().parse::<u32>().ok());
        let first = options.first().map(|(value, _)| value.clone());
        let first = first.filter(|_| size.is_none_or(|size| size <= 1));
        selected = vec![selected.pop().unwrap_or(first)];
    }
    let values = selected.into_iter().flatten().collect();
    Control { name, kind: Kind::Select(options), values }
}

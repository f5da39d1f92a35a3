//! `page.click(target)`: follows a link or presses a button, named by its text or a selector.

use boa_engine::{Context, JsArgs, JsResult, JsValue};
use scraper::ElementRef;
use url::Url;

use super::super::errors::type_error;
use super::super::native;
use super::form::{self, Button, Form, label};
use super::{Page, dom, go, submit, with};

/// What has a text to click on.
const CLICKABLE: &str = "a[href], button, input[type=submit i], input[type=image i]";

/// What a click leads to.
enum Clicked {
    Link(Url),
    Button(Box<(Form, Button)>),
}

/// `page.click(target)`
pub(super) fn click(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let target = native::text(args.get_or_undefined(0), context)?;
    let found = with(this, |page| Ok::<_, String>((page.url.clone(), clicked(page, &target)?)))?;
    match found {
        Ok((from, Clicked::Link(to))) => go(&from, &to, "GET", None, context),
        Ok((_, Clicked::Button(pressed))) => submit::press(this, &pressed.0, &pressed.1, context),
        Err(why) => type_error(why),
    }
}

fn clicked(page: &Page, target: &str) -> Result<Clicked, String> {
    let html = page.html();
    let by_selector = dom::select(html, target).unwrap_or_default().into_iter().next();
    let element = by_selector.or_else(|| by_text(page, target));
    let Some(element) = element else { return Err(nothing_to_click(page, target)) };
    if let Some(link) = dom::closest(element, "a").filter(|link| link.attr("href").is_some()) {
        let href = link.attr("href").unwrap_or_default();
        let to = page.resolve(href).ok_or_else(|| format!("{href:?} is no address"))?;
        return Ok(Clicked::Link(to));
    }
    if let Some(owner) = form::owner(html, element) {
        let read = form::read(html, owner);
        let label = label(element);
        let is_it = |button: &&Button| {
            button.label == label
                && button.name == element.attr("name").unwrap_or_default()
                && button.value == element.attr("value").unwrap_or_default()
        };
        if let Some(button) = read.buttons.iter().find(is_it).cloned() {
            return Ok(Clicked::Button(Box::new((read, button))));
        }
    }
    Err(format!("{target:?} is neither a link nor a button that submits {}", page.described()))
}

/// A link or button by its text: the whole of it, or else a part that only one has.
fn by_text<'a>(page: &'a Page, target: &str) -> Option<ElementRef<'a>> {
    let target = dom::collapsed(target);
    let all = dom::select(page.html(), CLICKABLE).unwrap_or_default();
    let whole = all.iter().find(|element| label(**element) == target);
    if whole.is_some() || target.is_empty() {
        return whole.copied();
    }
    let mut parts = all.into_iter().filter(|element| label(*element).contains(&target));
    parts.next().filter(|_| parts.next().is_none())
}

fn nothing_to_click(page: &Page, target: &str) -> String {
    let links = dom::select(page.html(), CLICKABLE);
    let mut labels: Vec<String> = Vec::new();
    for link in links.unwrap_or_default() {
        let label = format!("{:?}", label(link));
        if labels.len() < 20 && !labels.contains(&label) {
            labels.push(label);
        }
    }
    let labels = labels.join(", ");
    format!("no link or button is {target:?} {}; there are these: {labels}", page.described())
}

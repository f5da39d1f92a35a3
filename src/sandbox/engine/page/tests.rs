//! Pages, forms and links, against the HTML that real applications serve.

use crate::sandbox::engine::tests::{Said, answer, nothing, run};
use crate::sandbox::protocol::{Answer, FetchRequest, Question, ScriptErrorKind};

const LOGIN: &str = r#"<!doctype html>
<html><head><title>Sign in | Example</title><style>p { color: red }</style></head>
<body>
  <header><a href="/">Home</a> <a href="help?x=1&amp;y=2#top">Get <b>help</b></a></header>
  <form class="search" action="/search"><input name="q" type="search"><button>Go</button></form>
  <h1>Please   sign
    in</h1>
  <form id="login" method="post" action="/accounts/login/?next=/dashboard">
    <input type="hidden" name="csrfmiddlewaretoken" value="tok&quot;en">
    <p><label>Email <input type="email" name="email" value=""></label></p>
    <p><input type="password" name="password"></p>
    <input type="checkbox" name="remember" value="yes" checked>
    <input type="checkbox" name="news">
    <input type="radio" name="plan" value="free" checked><input type="radio" name="plan" value="pro">
    <select name="country"><option value="de">Germany</option><option value="fr" selected>France</option></select>
    <select name="langs" multiple><option selected>en</option><option selected>de</option></select>
    <textarea name="note">
two
lines</textarea>
    <input name="old" value="x" disabled>
    <fieldset disabled><input name="hidden_by_fieldset" value="x"></fieldset>
    <input type="file" name="avatar"><input type="reset" name="r"><button type="button" name="b">No</button>
    <button type="submit" name="action" value="login">Sign in</button>
    <button type="submit" name="action" value="magic" formaction="/magic" formmethod="get">Mail me a link</button>
  </form>
  <input name="outside" value="yes" form="login">
  <script>document.write("<p>never seen</p>")</script>
</body></html>"#;

const ODD: &str = r#"<form id="f" action="/odd">
    <template><input name="t" value="1"></template>
    <datalist><input name="d" value="1"></datalist>
    <input name="first" value="1"><button name="go" value="2">Go</button>
    <select name="placeholder"><option disabled selected>Choose<option>a</select>
    <select name="twice"><option selected>a<option selected>b<option>c</select>
    <select name="list" size="3"><option>a</select>
    <select name="grouped"><optgroup disabled><option>a</optgroup><option>b</select>
    <fieldset disabled><legend><fieldset disabled><input name="inner" value="1"></fieldset>
      <input name="legend" value="1"></legend><input name="off" value="1"></fieldset>
    <input type="image" name="map" alt="Map" value="v"><input type="image" alt="Bare">
    <input name="last" value="3">
    </form><p hidden>secret words</p><p style="color: red; Display : none !important">unseen</p>
    <p>shown <input type="hidden"></p><template><h1>In a template</h1></template>"#;

fn world(question: &Question) -> Option<Answer> {
    let Question::Fetch(FetchRequest { url, .. }) = question else { return nothing(question) };
    let path = url.strip_prefix("https://app.test").unwrap_or_default();
    Some(match path.split('?').next().unwrap_or_default() {
        "/login" => answer(200, url, "text/html; charset=utf-8", LOGIN),
        "/upload" => answer(
            200,
            url,
            "text/html",
            "<title>Up</title><form method=post enctype=multipart/form-data action=''>\
             <input name=a value='1\n2'><input type=file name=f><input type=submit></form>",
        ),
        "/odd" => answer(200, url, "text/html", ODD),
        "/empty" => answer(404, url, "text/html", "<title>Gone</title><p>Nothing here"),
        "/based" => answer(200, url, "text/html", "<base href=/sub/><a href=x>X</a>"),
        _ => answer(200, url, "text/html", "<title>Dashboard</title><h1>Welcome, Ann</h1>"),
    })
}

fn tried(body: &str) -> Said {
    let visit = "const page = await t.visit('https://app.test/login');";
    run(&format!("{visit}\n{body}"), world)
}

fn header<'a>(request: &'a FetchRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_page_is_read() {
    let said = tried(
        "console.log(page.status, page.ok, page.url, page.title, page.html === page.body);
        console.log(page.text('h1'), page.texts('header a'), page.has('#nope'), page.has('form#login'));
        console.log(page.attr('[name=email]', 'type'), page.attr('h1', 'id'));
        console.log(page.links(), page.headers.get('content-type'));
        console.log(page.text().slice(0, 44), page.text().includes('never'), page);",
    );
    assert_eq!(
        said.passed(),
        [
            "200 true https://app.test/login Sign in | Example true",
            "Please sign in [ 'Home', 'Get help' ] false true",
            "email null",
            "[\n  { text: 'Home', href: 'https://app.test/' },\n  { text: 'Get help', href: \
             'https://app.test/help?x=1&y=2#top' }\n] text/html; charset=utf-8",
            "Home Get help Go Please sign in Email German false Page {\n  status: 200,\n  url: \
             'https://app.test/login',\n  title: 'Sign in | Example'\n}",
        ]
    );
    assert!(header(said.requests()[0], "accept").is_some_and(|a| a.starts_with("text/html")));
}

#[test]
fn a_form_is_sent_as_a_browser_sends_it() {
    let said = tried(
        "const form = page.form('#login');
        console.log(form.fields, form.method, form.action);
        const home = await form.submit({ email: 'a@b.test', password: 'p&w' });
        console.log(home.status, home.title, home.text('h1'));",
    );
    let lines = said.passed();
    assert_eq!(
        lines[0],
        "{\n  csrfmiddlewaretoken: 'tok\"en',\n  email: '',\n  password: '',\n  remember: 'yes',\n  \
         news: null,\n  plan: 'free',\n  country: 'fr',\n  langs: [ 'en', 'de' ],\n  note: \
         'two\\nlines',\n  avatar: null,\n  outside: 'yes'\n} post \
         https://app.test/accounts/login/?next=/dashboard"
    );
    assert_eq!(lines[1], "200 Dashboard Welcome, Ann");
    let request = said.requests()[1];
    assert_eq!(request.method, "POST");
    assert_eq!(request.url, "https://app.test/accounts/login/?next=/dashboard");
    assert_eq!(header(request, "referer"), Some("https://app.test/login"));
    assert_eq!(header(request, "origin"), Some("https://app.test"));
    assert_eq!(header(request, "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(
        String::from_utf8_lossy(&request.body),
        "csrfmiddlewaretoken=tok%22en&email=a%40b.test&password=p%26w&remember=yes&plan=free&\
         country=fr&langs=en&langs=de&note=two%0D%0Alines&avatar=&action=login&outside=yes"
    );
}

#[test]
fn fields_and_buttons_can_be_chosen() {
    let said = tried(
        "const form = page.form('#login');
        form.fields.email = 'set';
        await form.submit({ remember: false, news: true, plan: 'pro', country: 'Germany', langs: ['en'], note: '' },
            { button: 'Mail me a link' });
        await page.form('.search').submit({ q: 'a b' }, { button: null });
        await page.form('[name=q]').submit();",
    );
    said.passed();
    let requests = said.requests();
    assert_eq!(
        (requests[1].method.as_str(), requests[1].url.as_str()),
        (
            "GET",
            "https://app.test/magic?csrfmiddlewaretoken=tok%22en&email=set&password=&news=on&\
             plan=pro&country=de&langs=en&note=&avatar=&action=magic&outside=yes"
        )
    );
    assert_eq!(requests[2].url, "https://app.test/search?q=a+b");
    assert_eq!(requests[3].url, "https://app.test/search?q=");
}

#[test]
fn odd_controls_are_sent_as_a_browser_sends_them() {
    let said = run(
        "const page = await t.visit('https://app.test/odd');
        const form = page.form();
        await form.submit();
        await form.submit({ placeholder: 'a' }, { button: 'Map' });
        await page.click('Bare');
        await page.click('[name=map]');
        console.log(form.fields.placeholder, form.fields.list, page.has('h1'));
        console.log(page.text(), '|', page.text('[hidden]'));",
        world,
    );
    let seen = "Go Choose a a b c a a b shown | secret words";
    assert_eq!(said.passed(), ["null null false", seen]);
    let sent: Vec<&str> = said.requests()[1..]
        .iter()
        .map(|request| request.url.trim_start_matches("https://app.test/odd?"))
        .collect();
    assert_eq!(
        sent,
        [
            "first=1&go=2&twice=b&grouped=b&legend=1&last=3",
            "first=1&placeholder=a&twice=b&grouped=b&legend=1&map.x=0&map.y=0&last=3",
            "first=1&twice=b&grouped=b&legend=1&x=0&y=0&last=3",
            "first=1&twice=b&grouped=b&legend=1&map.x=0&map.y=0&last=3",
        ]
    );
}

#[test]
fn a_multipart_form_is_sent_as_parts() {
    let said = run(
        "const page = await t.visit('https://app.test/upload'); await page.form().submit();",
        world,
    );
    said.passed();
    let request = said.requests()[1];
    assert_eq!(request.url, "https://app.test/upload");
    let kind = header(request, "content-type").expect("a media type");
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
    assert_eq!(
        String::from_utf8_lossy(&request.body).replace(boundary, "B").replace('\r', ""),
        "--B\nContent-Disposition: form-data; name=\"a\"\n\n12\n--B\nContent-Disposition: \
         form-data; name=\"f\"; filename=\"\"\nContent-Type: application/octet-stream\n\n\n--B--\n"
    );
}

#[test]
fn links_and_buttons_are_clicked() {
    let said = tried(
        "await page.click('Get help');
        await page.click('header a');
        await page.click('Sign in');
        await page.click('Mail me');
        const based = await t.visit('https://app.test/based');
        await based.click('X');",
    );
    said.passed();
    let urls: Vec<String> = said
        .requests()
        .iter()
        .map(|request| format!("{} {}", request.method, request.url))
        .collect();
    assert_eq!(urls[1], "GET https://app.test/help?x=1&y=2");
    assert_eq!(urls[2], "GET https://app.test/");
    assert_eq!(urls[3], "POST https://app.test/accounts/login/?next=/dashboard");
    assert!(urls[4].starts_with("GET https://app.test/magic?"), "{urls:?}");
    assert_eq!(urls[6], "GET https://app.test/sub/x");
    assert_eq!(header(said.requests()[1], "referer"), Some("https://app.test/login"));
}

#[test]
fn what_is_not_there_is_named() {
    let on = "on the page \"Sign in | Example\" (status 200, https://app.test/login)";
    let forms = "these forms: form (GET /search), #login (POST /accounts/login/?next=/dashboard)";
    let cases = [
        ("page.text('.error')", format!("no element matches \".error\" {on}")),
        ("page.attr('img', 'src')", format!("no element matches \"img\" {on}")),
        ("page.form()", format!("there are {forms}; say which one {on}")),
        ("page.form('#signup')", format!("no form matches \"#signup\"; there are {forms} {on}")),
        (
            "page.form('.search').submit({ query: 1 })",
            "the form has no field \"query\"; it has these: \"q\"".to_owned(),
        ),
        (
            "page.form('#login').submit({ country: 'xx' })",
            "the field \"country\" does not offer \"xx\"; it offers \"de\", \"fr\"".to_owned(),
        ),
        (
            "page.form('#login').submit({ plan: 'gold' })",
            "the field \"plan\" does not offer \"gold\"; it offers \"free\", \"pro\"".to_owned(),
        ),
        (
            "page.form('#login').submit({ password: page.pasword })",
            "the field \"password\" was given undefined: is a name misspelled? null leaves the \
             field out"
                .to_owned(),
        ),
        (
            "page.form('#login').submit({ password: { a: 1 } })",
            "the field \"password\" was given { a: 1 }: give it a text".to_owned(),
        ),
        (
            "page.form('#login').submit({ langs: ['de', (async () => 'en')()] })",
            "the field \"langs\" was given Promise { 'en' }: is an await missing?".to_owned(),
        ),
        (
            "page.form('#login').submit({}, { button: 'Delete' })",
            "the form has no button \"Delete\"; it has these: \"Sign in\", \"Mail me a link\""
                .to_owned(),
        ),
        (
            "page.click('Sign out')",
            format!(
                "no link or button is \"Sign out\" {on}; there are these: \"Home\", \"Get help\", \
                 \"Go\", \"No\", \"Sign in\", \"Mail me a link\""
            ),
        ),
        ("page.click('h1')", format!("\"h1\" is neither a link nor a button that submits {on}")),
    ];
    for (code, expected) in cases {
        let said = tried(&format!("await {code};"));
        let error = said.error();
        assert!(error.message.starts_with(&format!("TypeError: {expected}")), "{code}: {error:?}");
        assert_eq!(error.position.as_ref().map(|(_, line, _)| *line), Some(4), "{code}");
    }
    let said = run("(await t.visit('https://app.test/empty')).form('#x')", world);
    assert!(
        said.error().message.contains("there is no form at all on the page \"Gone\" (status 404")
    );
}

#[test]
fn a_selector_that_is_not_valid_says_why() {
    let cases = [
        ("page.text('#a[')", "\"#a[\" is no valid CSS selector: it ends too early"),
        ("page.has('h1[[')", "\"h1[[\" is no valid CSS selector: [ must be followed by a name"),
        (
            "page.has('a:contains(x)')",
            "\"a:contains(x)\" is no valid CSS selector: it has a pseudo-class that is not known \
             here, where no browser is",
        ),
        (
            "page.has('a, ')",
            "\"a, \" is no valid CSS selector: a part of it is empty, perhaps beside a comma",
        ),
    ];
    for (code, expected) in cases {
        let said = tried(&format!("{code};"));
        assert_eq!(said.error().message, format!("TypeError: {expected}"), "{code}");
    }
}

#[test]
fn a_visit_without_an_answer_is_a_network_error() {
    let said = run("await t.visit('https://gone.test/');", nothing);
    assert_eq!(said.error().kind, ScriptErrorKind::Network);
}

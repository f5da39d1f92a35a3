//! The Web classes as a script sees them.

use crate::sandbox::engine::tests::{Said, answer, nothing, run};
use crate::sandbox::protocol::{
    Answer, Credentials, FetchResponse, FromChild, Question, Redirect, ScriptErrorKind,
};

/// A site whose answers depend on the path.
fn site(question: &Question) -> Option<Answer> {
    let Question::Fetch(request) = question else { return nothing(question) };
    let path = request.url.strip_prefix("https://a.test").unwrap_or_default();
    Some(match path {
        "/json" => {
            answer(200, &request.url, "application/json", "{\"n\": 1e400, \"s\": \"\\ud83d\"}")
        }
        "/html" => answer(503, &request.url, "text/html", "<!doctype html><p>Down"),
        "/echo" => {
            let kind = request.headers.iter().find(|(name, _)| name == "content-type");
            let kind = kind.map_or("", |(_, kind)| kind.as_str());
            let body = String::from_utf8_lossy(&request.body);
            answer(200, &request.url, "text/plain", &format!("{kind}\n{body}"))
        }
        "/form" => answer(200, &request.url, "application/x-www-form-urlencoded", "a=1&b=x+y"),
        "/cookies" => Answer::Fetched(Ok(FetchResponse {
            url: "https://a.test/end".to_owned(),
            redirected: true,
            status: 200,
            status_text: "OK".to_owned(),
            headers: vec![
                ("set-cookie".to_owned(), "a=1".to_owned()),
                ("set-cookie".to_owned(), "b=2".to_owned()),
                ("x-y".to_owned(), "z".to_owned()),
            ],
            body: vec![0xef, 0xbb, 0xbf, 0xff],
        })),
        "/never" => return None,
        _ => return nothing(question),
    })
}

fn tried(body: &str) -> Said {
    run(body, site)
}

#[test]
fn fetch_sends_what_it_is_told() {
    let said = tried(
        "const r = await fetch('https://a.test/echo#part', {
            method: 'post', body: 'hi', redirect: 'manual', credentials: 'omit',
            headers: { 'X-Custom': ' 1 ' },
        });
        console.log(await r.text());
        await fetch(new URL('https://a.test/json'));
        await fetch(new Request('https://a.test/json', { method: 'delete' }), { headers: [['a', 'b']] });",
    );
    assert_eq!(said.passed(), ["text/plain;charset=UTF-8\nhi"]);
    let requests = said.requests();
    let first = requests[0];
    assert_eq!((first.method.as_str(), first.url.as_str()), ("POST", "https://a.test/echo"));
    assert_eq!((first.redirect, first.credentials), (Redirect::Manual, Credentials::Omit));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = [header("x-custom", "1"), header("content-type", "text/plain;charset=UTF-8")];
    assert_eq!(first.headers, expected);
    assert_eq!((requests[1].method.as_str(), requests[1].redirect), ("GET", Redirect::Follow));
    assert_eq!(requests[2].method, "DELETE");
    assert_eq!(requests[2].headers, [header("a", "b")]);
}

#[test]
fn responses_are_read_once_and_leniently() {
    let said = tried(
        "const r = await fetch('https://a.test/json');
        const copy = r.clone();
        const data = await r.json();
        console.log(r.ok, r.status, r.bodyUsed, data.n, data.s.length);
        await expect(r.text()).rejects.toThrow('has been read already');
        console.log((await copy.text()).length, r.headers.get('Content-Type'));
        const c = await fetch('https://a.test/cookies');
        console.log(c.headers.getSetCookie(), [...c.headers.keys()], c.redirected, c.url);
        console.log((await c.clone().bytes()).length, await c.text(), c.statusText);
        const form = await (await fetch('https://a.test/form')).formData();
        console.log([...form]);
        const blob = await (await fetch('https://a.test/html')).blob();
        console.log(blob.type, blob.size, (await blob.text()).slice(0, 9));",
    );
    assert_eq!(
        said.passed(),
        [
            "true 200 true Infinity 1",
            "27 application/json",
            "[ 'a=1', 'b=2' ] [ 'set-cookie', 'set-cookie', 'x-y' ] true https://a.test/end",
            "4 \u{fffd} OK",
            "[ [ 'a', '1' ], [ 'b', 'x y' ] ]",
            "text/html 22 <!doctype",
        ]
    );
    let said = tried("await (await fetch('https://a.test/html')).json();");
    assert_eq!(
        said.error().message,
        "SyntaxError: the body is not valid JSON: unexpected '<' at line 1, column 1; it begins \
         with '<!doctype html><p>Down'"
    );
    assert_eq!(said.error().position.as_ref().map(|(_, line, _)| *line), Some(3));
}

#[test]
fn responses_and_requests_can_be_made() {
    let said = tried(
        "const r = new Response('x', { status: 201, headers: { a: '1' } });
        console.log(r.status, r.headers.get('content-type'), await r.text());
        console.log(await Response.json({ a: [1] }).text(), Response.error().type);
        console.log(Response.redirect('https://a.test/', 303).headers.get('location'));
        const q = new Request('https://a.test/', { method: 'POST', body: new Uint8Array([65]) });
        console.log(q.method, q.url, await q.clone().text(), q.credentials, q.redirect, q.signal);
        expect(() => new Response('', { status: 99 })).toThrow(RangeError);
        expect(() => Response('')).toThrow('needs new');
        console.log(r instanceof Response, Object.prototype.toString.call(r));",
    );
    assert_eq!(
        said.passed(),
        [
            "201 text/plain;charset=UTF-8 x",
            "{\"a\":[1]} error",
            "https://a.test/",
            "POST https://a.test/ A include follow null",
            "true [object Response]",
        ]
    );
}

#[test]
fn wrong_requests_are_type_errors() {
    for (call, message) in [
        ("fetch('/login')", "is a relative URL"),
        ("fetch('ftp://a.test/')", "is not an http or https URL"),
        ("fetch('https://u:p@a.test/')", "send an Authorization header"),
        ("fetch('https://a.test/', { body: 'x' })", "a GET request cannot have a body"),
        ("fetch('https://a.test/', { method: 'POST', body: { a: 1 } })", "JSON.stringify"),
        ("fetch('https://a.test/', { headers: { 'a b': '' } })", "is no name of a header"),
        ("fetch('https://a.test/', { headers: { a: 'x\\ny' } })", "holds a line break"),
        ("fetch('https://a.test/', { method: 'a b' })", "is no method"),
    ] {
        let said = tried(&format!("await {call};"));
        let error = said.error();
        assert!(error.message.starts_with("TypeError: "), "{call}: {error:?}");
        assert!(error.message.contains(message), "{call}: {error:?}");
        assert_eq!(error.kind, ScriptErrorKind::Exception);
        assert_eq!(error.position.as_ref().map(|(_, line, _)| *line), Some(3), "{call}");
    }
}

#[test]
fn no_answer_is_a_network_error() {
    let said = tried(
        "try { await fetch('https://gone.test/'); } catch (e) { console.log(e instanceof TypeError); }
        await step('call', async () => { await fetch('https://gone.test/x'); });",
    );
    assert_eq!(said.lines(), ["true"]);
    let error = said.error();
    assert_eq!(error.kind, ScriptErrorKind::Network);
    assert_eq!(
        error.message,
        "TypeError: no answer to GET https://gone.test/x: connection refused by 127.0.0.1:80"
    );
    assert_eq!(error.step, Some(0));
    assert_eq!(error.position.as_ref().map(|(_, line, _)| *line), Some(4));
    let said =
        tried("try { await fetch('https://gone.test/'); } catch { throw new Error('mine'); }");
    assert_eq!(said.error().kind, ScriptErrorKind::Exception);
}

#[test]
fn a_fetch_can_be_aborted() {
    let said = tried(
        "const c = new AbortController();
        setTimeout(() => c.abort(), 1);
        const e = await fetch('https://a.test/never', { signal: c.signal }).catch((e) => e);
        console.log(e.name, e instanceof DOMException, e.code, c.signal.aborted);
        const t1 = await fetch('https://a.test/never', { signal: AbortSignal.timeout(1) }).catch((e) => e);
        console.log(t1.name, t1.message);
        const any = AbortSignal.any([AbortSignal.abort('why'), c.signal]);
        console.log(await fetch('https://a.test/never', { signal: any }).catch((e) => e));
        let heard = 0;
        const d = new AbortController();
        d.signal.addEventListener('abort', () => heard++, { once: true });
        d.signal.onabort = () => heard++;
        d.abort(); d.abort();
        console.log(heard);
        expect(() => d.signal.throwIfAborted()).toThrow('aborted');
        expect(() => new AbortSignal()).toThrow(TypeError);",
    );
    assert_eq!(
        said.passed(),
        ["AbortError true 20 true", "TimeoutError nothing came within 1 ms", "why", "2",]
    );
    let abandoned = said.messages.iter().filter(|m| matches!(m, FromChild::Abandon(_)));
    assert_eq!(abandoned.count(), 2);
    assert_eq!(said.requests().len(), 2);
}

#[test]
fn fetches_beyond_fifty_wait_their_turn() {
    let said = tried(
        "const all = await Promise.all(Array.from({ length: 120 }, () => fetch('https://a.test/json')));
        console.log(all.length);",
    );
    assert_eq!(said.passed(), ["120"]);
    assert_eq!(said.requests().len(), 120);
    let said = run(
        "const c = new AbortController();
        for (let i = 0; i < 60; i++) fetch('https://a.test/never', { signal: c.signal }).catch(() => {});
        await t.sleep(1);
        c.abort();
        await t.sleep(1);",
        site,
    );
    said.passed();
    assert_eq!(said.requests().len(), 60);
}

#[test]
fn a_request_too_large_for_a_frame_is_an_error() {
    let said = tried(
        "await fetch('https://a.test/echo', { method: 'POST', body: new Uint8Array(9 << 20) });",
    );
    assert!(said.error().message.contains("the request is too large"), "{:?}", said.error());
}

#[test]
fn urls_are_live() {
    let said = tried(
        "const u = new URL('../x?a=1#h', 'https://u:p@a.test:8443/b/c');
        console.log(u.href, u.origin, u.host, u.port, u.pathname, u.search, u.hash, u.username);
        u.searchParams.append('b', 'ä &');
        console.log(u.search, u.searchParams.size);
        u.search = '?z=9'; u.hash = ''; u.pathname = '/p q';
        console.log(String(u), u.searchParams.get('z'), JSON.stringify({ u }));
        console.log(URL.canParse('x'), URL.parse('x'), URL.canParse('x', 'https://a.test'));
        expect(() => new URL('nope')).toThrow(TypeError);",
    );
    assert_eq!(
        said.passed(),
        [
            "https://u:p@a.test:8443/x?a=1#h https://a.test:8443 a.test:8443 8443 /x ?a=1 #h u",
            "?a=1&b=%C3%A4+%26 2",
            "https://u:p@a.test:8443/p%20q?z=9 9 {\"u\":\"https://u:p@a.test:8443/p%20q?z=9\"}",
            "false null true",
        ]
    );
}

#[test]
fn search_params_are_a_list() {
    let said = tried(
        "const p = new URLSearchParams('?b=2&a=1&b=3');
        console.log(p.get('b'), p.getAll('b'), p.has('a'), p.has('b', '9'), p.get('no'));
        p.set('b', '4'); p.append('c', 'x y'); p.delete('a');
        console.log(p.toString(), [...p.keys()], [...p.values()], Object.fromEntries(p));
        console.log(String(new URLSearchParams({ q: 'ü', n: 1 })), String(new URLSearchParams([['k', 'v']])));
        const s = new URLSearchParams('z=1&a=2'); s.sort(); console.log(String(s));
        let seen = ''; p.forEach((v, k) => { seen += k + v; }); console.log(seen);
        const r = await fetch('https://a.test/echo', { method: 'POST', body: p });
        console.log(await r.text());",
    );
    assert_eq!(
        said.passed(),
        [
            "2 [ '2', '3' ] true false null",
            "b=4&c=x+y [ 'b', 'c' ] [ '4', 'x y' ] { b: '4', c: 'x y' }",
            "q=%C3%BC&n=1 k=v",
            "a=2&z=1",
            "b4cx y",
            "application/x-www-form-urlencoded;charset=UTF-8\nb=4&c=x+y",
        ]
    );
}

#[test]
fn headers_are_combined() {
    let said = tried(
        "const h = new Headers([['B', '1'], ['a', '2']]);
        h.append('b', '3'); h.set('C', 'x'); h.delete('a');
        console.log([...h], h.has('B'), h.get('none'), h.get('b'));
        h.forEach((value, name) => console.log(name, value));",
    );
    assert_eq!(
        said.passed(),
        ["[ [ 'b', '1, 3' ], [ 'c', 'x' ] ] true null 1, 3", "b 1, 3", "c x"]
    );
}

#[test]
fn forms_are_multipart() {
    let said = tried(
        "const f = new FormData();
        f.append('a', '1'); f.set('a', 'x\\ny'); f.append('f', new File(['hello'], 'h\".txt', { type: 'text/plain' }));
        console.log(f.get('a'), f.has('f'), f.getAll('none'), [...f.keys()]);
        const r = await fetch('https://a.test/echo', { method: 'POST', body: f });
        const text = await r.text();
        const boundary = /boundary=(.*)/.exec(text)[1];
        console.log(text.replaceAll(boundary, 'B').replaceAll('\\r', ''));
        const b = new Blob(['ab', new Uint8Array([99]), new Blob(['d'])], { type: 'X/Y' });
        console.log(b.size, b.type, await b.slice(1, 3).text(), b instanceof Blob);",
    );
    assert_eq!(
        said.passed(),
        [
            "x\ny true [] [ 'a', 'f' ]",
            "multipart/form-data; boundary=B\n--B\ncontent-disposition: form-data; name=\"a\"\n\n\
             x\ny\n--B\ncontent-disposition: form-data; name=\"f\"; filename=\"h%22.txt\"\n\
             content-type: text/plain\n\nhello\n--B--\n",
            "4 x/y bc true",
        ]
    );
}

#[test]
fn text_and_base64_are_coded() {
    let said = tried(
        "console.log(new TextEncoder().encode('ä'), new TextDecoder().decode(new Uint8Array([0xc3, 0xa4])));
        console.log(new TextDecoder('latin1').decode(new Uint8Array([0xe4])), new TextDecoder('latin1').encoding);
        expect(() => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255]))).toThrow(TypeError);
        expect(() => new TextDecoder('klingon')).toThrow(RangeError);
        console.log(btoa('hi\\xff'), atob(' aGk= '), atob('aGk'), btoa(''));
        expect(() => btoa('€')).toThrow('U+00FF');
        expect(() => atob('a')).toThrow(DOMException);
        const deep = structuredClone({ a: [1, new Date(0)], m: new Map([[1, 2]]) });
        console.log(deep);",
    );
    assert_eq!(
        said.passed(),
        [
            "Uint8Array(2) [ 195, 164 ] ä",
            "ä windows-1252",
            "aGn/ hi hi ",
            "{ a: [ 1, 1970-01-01T00:00:00.000Z ], m: Map(1) { 1 => 2 } }",
        ]
    );
}

#[test]
fn crypto_digests_and_signs() {
    let said = tried(
        "const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('');
        const bytes = new TextEncoder().encode('abc');
        console.log(hex(await crypto.subtle.digest('SHA-1', bytes)));
        console.log(hex(await crypto.subtle.digest({ name: 'sha-256' }, bytes)).slice(0, 16));
        for (const hash of ['SHA-384', 'SHA-512']) console.log((await crypto.subtle.digest(hash, bytes)).byteLength);
        const key = await crypto.subtle.importKey(
            'raw', new TextEncoder().encode('Jefe'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
        const data = new TextEncoder().encode('what do ya want for nothing?');
        const tag = await crypto.subtle.sign('HMAC', key, data);
        console.log(hex(tag).slice(0, 16), await crypto.subtle.verify('HMAC', key, tag, data), key.algorithm);
        await expect(crypto.subtle.digest('MD5', bytes)).rejects.toThrow('no digest MD5');
        console.log(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()));
        const random = crypto.getRandomValues(new Uint32Array(4));
        console.log(random.length, random.some((x) => x > 0));",
    );
    assert_eq!(
        said.passed(),
        [
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "ba7816bf8f01cfea",
            "48",
            "64",
            "5bdcc146bf60754e true { name: 'HMAC', hash: 'SHA-256' }",
            "true",
            "4 true",
        ]
    );
}

#[test]
fn globals_look_like_real_ones() {
    let said = tried(
        "const d = () => Object.getOwnPropertyDescriptor(globalThis, 'Headers');
        Headers;
        console.log(d().enumerable, d().configurable, typeof Headers);
        globalThis.URL = 1; console.log(URL, typeof FormData, typeof Event, typeof EventTarget);
        console.log(Object.keys(globalThis).length);",
    );
    assert_eq!(said.passed(), ["false true function", "1 function function function", "0"]);
}

#[test]
fn what_the_host_holds_survives_collections() {
    let said = tried(
        "const churn = () => { for (let i = 0; i < 30000; i++) ({ i, a: [i] }); };
        const url = new URL('https://a.test/json?x=1'); const params = url.searchParams;
        const later = expect(t.sleep(2).then(() => ({ big: 1 }))).resolves.toEqual({ big: 1 });
        const c = new AbortController();
        const given_up = fetch('https://a.test/never', { signal: c.signal }).catch((e) => e.name);
        const answer = fetch('https://a.test/json');
        churn();
        const response = await answer;
        churn();
        params.set('x', '2'); c.abort();
        churn();
        await later;
        console.log(url.search, response.headers.get('content-type'), await given_up, new URL(url).href);",
    );
    assert_eq!(said.passed(), ["?x=2 application/json AbortError https://a.test/json?x=2"]);
}

#[test]
fn globals_made_at_their_first_use_stay_the_same_at_every_use() {
    let said = run(
        "const at = () => [new URL('http://a.test/'), new Headers(), crypto.randomUUID(),
            performance.now(), new DOMException(), new AbortController(), new TextEncoder(),
            new FormData(), new Blob(), new Request('http://a.test/'), new Response('')];
        for (let n = 0; n < 3; n++) at();
        const before = URL;
        for (const replaced of [1, 2]) {
            URL = replaced;
            console.log(URL === replaced, globalThis.URL === replaced);
        }
        URL = before;
        console.log(URL === before, typeof URL, delete globalThis.URL, typeof URL);",
        nothing,
    );
    let expected = ["true true", "true true", "true function true undefined"];
    assert_eq!(said.passed(), expected);
}

#[test]
fn legal_json_is_parsed_by_scripts_too() {
    let said = run(
        "const odd = JSON.parse('{\"n\":[1e400,-1e400],\"s\":\"\\\\ud800\",\"__proto__\":1,\"a\":1,\"a\":2}');
        console.log(odd.n, odd.s.charCodeAt(0).toString(16), Object.keys(odd), odd.a);
        console.log(JSON.parse('\"' + String.fromCharCode(0xd801) + '\"').charCodeAt(0).toString(16));
        const revive = (key, value) => key === 'b' ? undefined : typeof value === 'number' ? value + 1 : value;
        console.log(JSON.parse('{\"a\":[1,{\"b\":2,\"c\":3}]}', revive), JSON.parse(' 7 '), JSON.parse(null));
        for (const bad of ['', '{', '[1,]', '\\ufeff1', undefined]) {
            try { JSON.parse(bad); console.log('no'); } catch (e) { console.log(e instanceof SyntaxError, e.message); }
        }",
        nothing,
    );
    assert_eq!(
        said.passed(),
        [
            "[ Infinity, -Infinity ] d800 [ 'n', 's', '__proto__', 'a' ] 2",
            "d801",
            "{ a: [ 2, { c: 4 } ] } 7 null",
            "true not valid JSON: unexpected end at line 1, column 1",
            "true not valid JSON: unexpected end at line 1, column 2",
            "true not valid JSON: unexpected ']' at line 1, column 4",
            "true not valid JSON: unexpected '\\u{feff}' at line 1, column 1",
            "true not valid JSON: unexpected 'u' at line 1, column 1",
        ]
    );
}

#[test]
fn small_things_are_as_in_node() {
    let said = run(
        "function fail() { throw new RangeError('far'); }
        try { fail(); } catch (e) { console.log(e.stack); }
        try { null.x; } catch (e) { console.log(e.stack.split('\\n')[0]); }
        try { await fetch('https://gone.test/'); } catch (e) { console.log(e.cause.message); }
        console.log(new TextEncoder().encodeInto('aü€', new Uint8Array(5)));
        const clone = structuredClone(new RangeError('x', { cause: { a: 1 } }));
        console.log(clone instanceof RangeError, clone.message, clone.cause);
        const thrown = async (f) => { try { await f(); return 'no'; } catch (e) { return e.name; } };
        console.log(await thrown(() => structuredClone(() => 1)), await thrown(() => structuredClone(Symbol('x'))));
        console.log(await thrown(() => new Headers({ x: '€' })), await thrown(() => new Headers(null)), new Headers({ x: 'é' }).get('x'));
        console.log(await thrown(() => crypto.getRandomValues(new Float32Array(4))));
        const hmac = { name: 'HMAC', hash: 'SHA-256' };
        const made = await crypto.subtle.generateKey(hmac, true, ['sign', 'verify']);
        const text = new TextEncoder().encode('text');
        const tag = await crypto.subtle.sign('HMAC', made, text);
        const jwk = await crypto.subtle.importKey('jwk', { kty: 'oct', k: 'a2V5' }, hmac, true, ['sign']);
        const raw = await crypto.subtle.importKey('raw', new TextEncoder().encode('key'), hmac, true, ['verify']);
        console.log(await crypto.subtle.verify('HMAC', made, tag, text),
            await crypto.subtle.verify('HMAC', raw, await crypto.subtle.sign('HMAC', jwk, text), text));
        console.log(await thrown(() => crypto.subtle.importKey('jwk', { kty: 'RSA' }, hmac, true, ['sign'])));
        const control = new AbortController();
        const seen = [];
        control.signal.addEventListener('abort', () => seen.push('first'));
        control.signal.onabort = () => seen.push('lost');
        control.signal.addEventListener('abort', () => seen.push('last'));
        control.signal.onabort = (event) => seen.push(event.type);
        control.abort();
        console.log(seen, typeof control.signal.onabort);
        await expect(async () => { throw new Error('no'); }).rejects.toThrow('no');
        await expect(() => { throw new Error('no'); }).rejects.toThrow('no');
        await expect(async () => 4).resolves.toBe(4);",
        nothing,
    );
    assert_eq!(
        said.passed(),
        [
            "RangeError: far\n    at fail (checks/a.js:3:25)\n    at default (checks/a.js:4:19)",
            "TypeError: cannot convert 'null' or 'undefined' to object",
            "connection refused by 127.0.0.1:80",
            "{ read: 2, written: 3 }",
            "true x { a: 1 }",
            "DataCloneError DataCloneError",
            "TypeError TypeError é",
            "TypeMismatchError",
            "true true",
            "DataError",
            "[ 'first', 'abort', 'last' ] function",
        ]
    );
}

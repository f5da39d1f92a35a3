//! `expect` as a script sees it.

use crate::sandbox::engine::tests::{nothing, run};
use crate::sandbox::protocol::{Event, ScriptErrorKind};

/// What must hold, each on its own line.
const HOLDS: &str = "
expect(1).toBe(1); expect(NaN).toBe(NaN); expect(0).not.toBe(-0);
expect({ a: [1, { b: 2 }], c: undefined }).toEqual({ a: [1, { b: 2 }] });
expect({ c: undefined }).not.toStrictEqual({});
expect([1, , 3]).not.toStrictEqual([1, undefined, 3]);
expect(new Map([[{ a: 1 }, 'x']])).toEqual(new Map([[{ a: 1 }, 'x']]));
expect(new Set([1, [2]])).toEqual(new Set([[2], 1]));
expect(new Date(5)).toEqual(new Date(5)); expect(new Date(5)).not.toEqual(new Date(6));
expect(/a/g).toEqual(/a/g); expect(/a/g).not.toEqual(/a/i);
expect(new Error('x')).toEqual(new Error('x')); expect(new Error('x')).not.toEqual(new Error('y'));
expect(new Uint8Array([1])).toEqual(new Uint8Array([1]));
expect(new URL('https://a.test')).not.toEqual(new URL('https://b.test'));
expect(new Headers({ a: '1' })).toEqual(new Headers({ A: '1' }));
expect([1, 2]).not.toEqual([1, 2, 3]); expect([]).not.toEqual({});
class A { x = 1 } expect(new A()).toEqual({ x: 1 }); expect(new A()).not.toStrictEqual({ x: 1 });
const loop = { n: 1 }; loop.self = loop; const other = { n: 1 }; other.self = other;
expect(loop).toEqual(other);
expect('hello').toContain('ell'); expect([1, 2]).toContain(2); expect(new Set(['a'])).toContain('a');
expect([{ a: 1 }]).not.toContain({ a: 1 }); expect([{ a: 1 }]).toContainEqual({ a: 1 });
const g = /l/gy; expect('lo').toMatch(g); expect('lo').toMatch(g); expect(g.lastIndex).toBe(0);
expect('hello').toMatch(/^h/); expect('hello').toMatch('lo'); expect('hello').not.toMatch(/x/);
expect({ a: { b: 1, c: 2 }, d: 3 }).toMatchObject({ a: { b: 1 } });
expect({ a: [1, 2] }).not.toMatchObject({ a: [1] });
expect(1).toBeTruthy(); expect('').toBeFalsy(); expect(null).toBeNull();
expect(undefined).toBeUndefined(); expect(0).toBeDefined(); expect(NaN).toBeNaN();
expect(1).toBeLessThan(2); expect(2).toBeLessThanOrEqual(2); expect(3n).toBeGreaterThan(2);
expect(2).toBeGreaterThanOrEqual(2); expect(0.1 + 0.2).toBeCloseTo(0.3); expect(1).not.toBeCloseTo(1.1);
expect([1, 2]).toHaveLength(2); expect('abc').toHaveLength(3);
expect({ a: { b: [5] } }).toHaveProperty('a.b[0]', 5); expect({ 'x.y': 1 }).toHaveProperty(['x.y']);
expect({}).not.toHaveProperty('a');
expect([]).toBeInstanceOf(Array); expect(new A()).toBeInstanceOf(A);
expect(() => { throw new TypeError('bad thing'); }).toThrow();
expect(() => { throw new TypeError('bad thing'); }).toThrow('bad');
expect(() => { throw new TypeError('bad thing'); }).toThrow(/thing$/);
expect(() => { throw new TypeError('bad thing'); }).toThrow(TypeError);
expect(() => { throw new TypeError('bad thing'); }).toThrow(new Error('bad thing'));
expect(() => {}).not.toThrow();
await expect(Promise.resolve(4)).resolves.toBe(4);
await expect(Promise.reject(new Error('no'))).rejects.toThrow('no');
await expect(Promise.resolve([1])).resolves.not.toEqual([2]);
";

#[test]
fn matchers_hold() {
    run(HOLDS, nothing).passed();
}

#[test]
fn failures_say_what_was_expected_and_received() {
    let cases = [
        ("expect(503).toBe(200)", "200", "503"),
        (
            "expect({ a: 1 }).toBe({ a: 1 })",
            "{ a: 1 } (the very same object; use toEqual to compare contents)",
            "{ a: 1 }",
        ),
        ("expect('x').not.toBe('x')", "not 'x'", "'x'"),
        ("expect({ a: 1 }).toEqual({ a: 2 })", "{ a: 2 }", "{ a: 1 }"),
        ("expect('abc').toContain('x')", "to contain 'x'", "'abc'"),
        ("expect('abc').toMatch(/x/i)", "to match /x/i", "'abc'"),
        ("expect(5).toBeLessThan(3)", "less than 3", "5"),
        ("expect([1]).toHaveLength(2)", "length 2", "length 1: [ 1 ]"),
        ("expect({ a: 1 }).toHaveProperty('a', 2)", "property 'a' to be 2", "1"),
        ("expect(null).toBeTruthy()", "a truthy value", "null"),
        ("expect([]).toBeInstanceOf(Map)", "an instance of Map", "[]"),
        ("expect(() => 7).toThrow()", "to throw", "it returned 7"),
        (
            "expect(() => { throw new Error('a'); }).toThrow('b')",
            "to throw 'b'",
            "it threw Error: a",
        ),
        (
            "await expect(Promise.reject(new Error('r'))).resolves.toBe(1)",
            "to resolve",
            "it rejected: Error: r",
        ),
        ("await expect(Promise.resolve(2)).rejects.toThrow()", "to reject", "it resolved with 2"),
        ("await expect(t.sleep(1)).resolves.toBe(1)", "1", "undefined"),
    ];
    for (code, expected, received) in cases {
        let said = run(&format!("{code};"), nothing);
        let error = said.error();
        assert_eq!(error.kind, ScriptErrorKind::Expectation, "{code}");
        assert_eq!(error.expected.as_deref(), Some(expected), "{code}");
        assert_eq!(error.received.as_deref(), Some(received), "{code}");
        assert!(error.message.starts_with("ExpectationError: expect(received)"), "{error:?}");
        let line = error.position.as_ref().map(|(_, line, _)| *line);
        assert_eq!(line, Some(3), "{code}: {error:?}");
    }
}

#[test]
fn the_message_names_the_matcher_and_what_it_is_about() {
    let said = run("expect(503, 'status of the home page').not.toBe(503);", nothing);
    assert_eq!(
        said.error().message,
        "ExpectationError: status of the home page: expect(received).not.toBe(expected)\n\
         expected: not 503\nreceived: 503"
    );
}

#[test]
fn the_end_of_a_step_says_it_in_one_line() {
    let said = run("await step('s', async () => { expect(503).toBe(200); });", nothing);
    let ended = said.events().find_map(|event| match event {
        Event::StepEnded { error, .. } => error.clone(),
        _ => None,
    });
    assert_eq!(ended.as_deref(), Some("expected 200, received 503"));
    assert_eq!(said.error().step, Some(0));
}

#[test]
fn a_caught_expectation_is_an_error_like_others() {
    let said = run(
        "try { expect(1).toBe(2); } catch (e) {
            console.log(e.name, e instanceof Error, e.expected, e.received);
        }
        expect(() => expect('a').toBeLessThan(1)).toThrow('numbers are compared');
        expect(() => expect(1).resolves.toBe(1)).toThrow('need a promise');",
        nothing,
    );
    assert_eq!(said.passed(), ["ExpectationError true 2 1"]);
}

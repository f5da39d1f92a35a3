//! Sorting as scripts see it.

use crate::sandbox::engine::tests::{nothing, run};

/// What a body logs, line by line.
fn logged(body: &str) -> Vec<String> {
    run(body, nothing).passed().into_iter().map(str::to_owned).collect()
}

#[test]
fn a_comparison_that_contradicts_itself_only_shuffles() {
    let body = "
        const numbers = Array.from({ length: 2000 }, (_, n) => n);
        const orders = [
            () => Math.random() - 0.5, () => 1, () => -1, () => NaN, () => 'x', (a, b) => a < b,
        ];
        for (const order of orders) {
            for (const list of [numbers.toSorted(order), numbers.slice().sort(order),
                Float64Array.from(numbers).sort(order), Int16Array.from(numbers).toSorted(order)]) {
                const sum = list.reduce((a, b) => a + b, 0);
                if (list.length !== 2000 || new Set(list).size !== 2000) throw new Error(String(order));
                if (sum !== 1999000) throw new Error(`${order}: ${sum}`);
            }
        }
        console.log('shuffled');";
    assert_eq!(logged(body), ["shuffled"]);
}

#[test]
fn arrays_are_sorted_as_the_standard_has_it() {
    let body = r#"
        const show = (...values) => console.log(values.map((v) => JSON.stringify(v)).join(" "));
        show([10, 9, 1, undefined, "b", , null, "a"].sort());
        show([3, undefined, 1, , 2].sort((a, b) => b - a), 3 in [3, , 1].sort());
        show(["\u{1F600}", "\uFFFF", "é", "z"].sort().map((s) => s.codePointAt(0).toString(16)));
        const holes = [3, , 1];
        show(Object.keys(holes.toSorted()).length, Object.keys(holes.sort()).length, holes.length);
        const people = Array.from({ length: 100 }, (_, n) => ({ age: n % 3, n }));
        const byAge = people.toSorted((a, b) => a.age - b.age);
        show(byAge.every((p, n) => n === 0 || p.age > byAge[n - 1].age || p.n > byAge[n - 1].n));
        show(Array.prototype.sort.call({ length: 3, 0: "c", 2: "a" }));
        show([2, 1].sort((a, b) => ({ valueOf: () => a - b })), [3, 1, 2].sort(undefined));
        const list = [3, 1, 2];
        show(list.sort((a, b) => (list.push(0), a - b)).slice(0, 3), list.sort() === list);
        const seen = [];
        [, undefined, 5].sort((...args) => seen.push(args));
        [5].sort({}.x);
        show(seen);
    "#;
    assert_eq!(
        logged(body),
        [
            r#"[1,10,9,"a","b",null,null,null]"#,
            "[3,2,1,null,null] false",
            r#"["7a","e9","1f600","ffff"]"#,
            "3 2 3",
            "true",
            r#"{"0":"a","1":"c","length":3}"#,
            "[1,2] [1,2,3]",
            "[1,2,3] true",
            "[]",
        ]
    );
}

#[test]
fn typed_arrays_are_sorted_by_number() {
    let body = "
        console.log(String(new Float64Array([3, NaN, 0, -0, -Infinity]).sort().map((n) => 1 / n)));
        console.log(String(new Uint32Array([4e9, 1, 3e9]).sort()));
        console.log(String(new BigInt64Array([3n, -1n, 2n]).toSorted((a, b) => (a < b ? 1 : -1))));
        const bytes = new Uint8Array([10, 9, 1]);
        const sorted = bytes.toSorted();
        console.log(String(bytes), String(sorted), sorted instanceof Uint8Array);
        console.log(bytes.sort((a, b) => 0) === bytes, String(bytes));";
    assert_eq!(
        logged(body),
        [
            "0,-Infinity,Infinity,0.3333333333333333,NaN",
            "1,3000000000,4000000000",
            "3,2,-1",
            "10,9,1 1,9,10 true",
            "true 10,9,1"
        ]
    );
}

#[test]
fn what_a_comparison_throws_ends_the_sort() {
    let body = r#"
        const told = (f) => { try { return f(); } catch (error) { return String(error); } };
        let calls = 0;
        const list = [3, 2, 1];
        console.log(told(() => list.sort(() => { calls++; throw new RangeError("no"); })), calls, list);
        console.log(told(() => [1, 2].sort(() => 1n)).split(":")[0]);
        console.log(told(() => [Symbol("a"), 1].sort()).split(":")[0]);
        for (const of of [[], new Uint8Array(2)]) {
            for (const name of ["sort", "toSorted"]) {
                const home = of instanceof Array ? Array.prototype : Object.getPrototypeOf(Uint8Array.prototype);
                const { value, ...rest } = Object.getOwnPropertyDescriptor(home, name);
                console.log(value.name, value.length, rest, told(() => of[name](null)).split(":")[0],
                    told(() => value.call(null)).split(":")[0], told(() => new value()).split(":")[0]);
            }
        }
        console.log(told(() => Array.prototype.toSorted.call({ length: 2 ** 32 })).split(":")[0]);
        console.log(told(() => Uint8Array.prototype.sort.call([])).split(":")[0]);
    "#;
    let method = |name: &str| {
        format!(
            "{name} 1 {{ writable: true, enumerable: false, configurable: true }} \
             TypeError TypeError TypeError"
        )
    };
    let expected = [
        "RangeError: no 1 [ 3, 2, 1 ]".to_owned(),
        "TypeError".to_owned(),
        "TypeError".to_owned(),
        method("sort"),
        method("toSorted"),
        method("sort"),
        method("toSorted"),
        "RangeError".to_owned(),
        "TypeError".to_owned(),
    ];
    assert_eq!(logged(body), expected);
}

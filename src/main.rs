//! The `tripline` program.

use tripline::sandbox::child;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == child::ARGUMENT) {
        child::run(arguments);
    }
}

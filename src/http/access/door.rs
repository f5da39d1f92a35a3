//! Doors: routes with what each of their methods needs.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{self, MethodRouter};

use super::{Access, gate};
use crate::domain::user::Right;

/// What whoever comes in must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it is meant for everybody.
    Public,
    /// A proof that the route itself asks for: the token of an agent, a signature.
    Own,
    /// A right, of a user.
    Right(Right),
}

impl Need {
    /// To see what is known.
    pub(in crate::http) const SEE: Self = Self::Right(Right::See);
    /// To change what happens.
    pub(in crate::http) const ACT: Self = Self::Right(Right::Act);
    /// To bring metrics.
    pub(in crate::http) const MEASURE: Self = Self::Right(Right::Measure);
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Own => "own",
            Self::Right(Right::See) => "see",
            Self::Right(Right::Act) => "act",
            Self::Right(Right::Measure) => "measure",
        })
    }
}

/// One way in: a method of a route, and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The method. What is got can be asked for by HEAD as well.
    pub method: Method,
    /// The route.
    pub path: &'static str,
    /// What it needs.
    pub need: Need,
}

/// A route: where it is, what answers, and what that needs.
pub struct Door<S = ()> {
    path: &'static str,
    methods: Vec<(Method, Need, MethodRouter<S>)>,
}

impl<S: Clone + Send + Sync + 'static> Door<S> {
    /// A route at `path` that knows no method yet.
    pub(in crate::http) fn at(path: &'static str) -> Self {
        Self { path, methods: Vec::new() }
    }

    /// Answers GET, and HEAD, by `handler`.
    pub(in crate::http) fn get<T: 'static>(self, need: Need, handler: impl Handler<T, S>) -> Self {
        self.with(Method::GET, need, routing::get(handler))
    }

    /// Answers POST by `handler`.
    pub(in crate::http) fn post<T: 'static>(self, need: Need, handler: impl Handler<T, S>) -> Self {
        self.with(Method::POST, need, routing::post(handler))
    }

    /// Answers DELETE by `handler`.
    pub(in crate::http) fn delete<T: 'static>(
        self,
        need: Need,
        handler: impl Handler<T, S>,
    ) -> Self {
        self.with(Method::DELETE, need, routing::delete(handler))
    }

    /// Takes bodies of at most so many bytes, by all its methods so far.
    pub(in crate::http) fn within(mut self, longest_body: usize) -> Self {
        let limited = |(method, need, router): (Method, Need, MethodRouter<S>)| {
            (method, need, router.layer(DefaultBodyLimit::max(longest_body)))
        };
        self.methods = self.methods.into_iter().map(limited).collect();
        self
    }

    fn with(mut self, method: Method, need: Need, router: MethodRouter<S>) -> Self {
        self.methods.push((method, need, router));
        self
    }

    /// The ways in through it.
    pub(in crate::http) fn ways(&self) -> impl Iterator<Item = Way> {
        let path = self.path;
        self.methods.iter().map(move |(method, need, _)| Way {
            method: method.clone(),
            path,
            need: *need,
        })
    }
}

/// The routes that `doors` are, each with a gate before what needs a right. Where nobody decides about rights,
/// nobody has any.
pub(in crate::http) fn router<S: Clone + Send + Sync + 'static>(
    doors: impl IntoIterator<Item = Door<S>>,
    access: Option<&Arc<Access>>,
) -> Router<S> {
    let mut router = Router::new();
    for door in doors {
        for (_, need, methods) in door.methods {
            let guarded = match (need, access) {
                (Need::Public | Need::Own, _) => methods,
                (Need::Right(right), Some(access)) => {
                    let gate = gate::Gate { access: Arc::clone(access), right };
                    methods.route_layer(from_fn_with_state(gate, gate::pass))
                }
                (Need::Right(_), None) => methods.route_layer(from_fn(gate::shut)),
            };
            router = router.route(door.path, guarded);
        }
    }
    router
}

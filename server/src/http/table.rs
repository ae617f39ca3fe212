//! The table of routes: what is registered is listed, so that tests and the API's description know every one.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodRouter};

/// Routes over a state.
pub(super) struct Table<G> {
    router: Router<G>,
    /// Method and path of each.
    pub(super) listed: Vec<(Method, &'static str)>,
}

impl<G: Clone + Send + Sync + 'static> Default for Table<G> {
    fn default() -> Self {
        Self { router: Router::new(), listed: Vec::new() }
    }
}

impl<G: Clone + Send + Sync + 'static> Table<G> {
    /// A route that shows something.
    pub(super) fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, G>) -> Self {
        self.add(Method::GET, path, routing::get(handler))
    }

    /// A route that does something.
    pub(super) fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, G>) -> Self {
        self.add(Method::POST, path, routing::post(handler))
    }

    /// A route that replaces something, of a path that is shown already.
    pub(super) fn put<T: 'static>(self, path: &'static str, handler: impl Handler<T, G>) -> Self {
        self.add(Method::PUT, path, routing::put(handler))
    }

    /// A route that takes every method, and is listed under the one that matters.
    pub(super) fn any<T: 'static>(self, path: &'static str, handler: impl Handler<T, G>) -> Self {
        self.add(Method::POST, path, routing::any(handler))
    }

    fn add(mut self, method: Method, path: &'static str, to: MethodRouter<G>) -> Self {
        self.listed.push((method, path));
        Self { router: self.router.route(path, to), ..self }
    }

    /// The routes.
    pub(super) fn into_router(self) -> Router<G> {
        self.router
    }
}

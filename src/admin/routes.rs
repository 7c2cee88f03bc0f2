//! The routes with what each needs. A route is made here or not at all, so none is without a role.

use std::collections::HashMap;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};

use super::access::Role;
use super::{
    Door, api, backup, feeds, health, list_changes, lists, log, notify, privacy, release, report, retro,
    scan, token_api,
};

/// What a route needs and may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The role; `None`: open to everybody.
    pub(super) role: Option<Role>,
    /// How much body is read.
    pub(super) body: Body,
    /// From the head of the request to the head of the answer.
    pub(super) time: Duration,
}

/// How much body a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// A few fields.
    Small,
    /// A file of list entries.
    Import,
    /// One message that somebody reports.
    Report,
    /// One message: `limits.message`.
    Message,
}

impl Body {
    /// In bytes; of a message the part that does not depend on the configuration.
    pub(super) const fn bytes(self) -> u64 {
        match self {
            Self::Small => 64 << 10,
            Self::Import => 32 << 20,
            Self::Report => crate::pipeline::reports::LARGEST as u64,
            Self::Message => 0,
        }
    }
}

impl Rule {
    pub(super) const ANYBODY: Self = Self { role: None, body: Body::Small, time: Duration::from_secs(30) };
    pub(super) const REPORTER: Self = Self { role: Some(Role::Reporter), ..Self::ANYBODY };
    pub(super) const VIEWER: Self = Self { role: Some(Role::Viewer), ..Self::ANYBODY };
    pub(super) const OPERATOR: Self = Self { role: Some(Role::Operator), ..Self::ANYBODY };
    pub(super) const ADMIN: Self = Self { role: Some(Role::Admin), ..Self::ANYBODY };

    /// It may take as long as a client of ours waits.
    pub(super) const fn long(self) -> Self {
        Self { time: super::serve::PATIENCE, ..self }
    }

    pub(super) const fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }
}

/// Every route of the admin's door. `{id}` is a mail id.
pub(super) fn all() -> Routes {
    Routes::default()
        .get("/healthz", Rule::ANYBODY, health::healthz)
        .get("/readyz", Rule::ANYBODY, health::readyz)
        .get("/metrics", Rule::VIEWER, health::metrics)
        .get("/api/v1/status", Rule::VIEWER, api::status)
        .get("/api/v1/audit", Rule::VIEWER.long(), api::audit_list)
        .get("/api/v1/audit/events", Rule::VIEWER.long(), api::audit_events)
        .get("/api/v1/audit/verify", Rule::OPERATOR.long(), api::audit_verify)
        .get("/api/v1/audit/export", Rule::ADMIN.long(), api::audit_export)
        .get("/api/v1/audit/about", Rule::ADMIN.long(), privacy::about)
        .post("/api/v1/audit/erase", Rule::ADMIN.long(), privacy::erase)
        .get("/api/v1/backup", Rule::ADMIN.long(), backup::backup)
        .get("/api/v1/audit/{id}", Rule::VIEWER, api::audit_show)
        .get("/api/v1/quarantine", Rule::VIEWER, api::quarantine_list)
        .get("/api/v1/quarantine/{id}", Rule::VIEWER, api::quarantine_show)
        .delete("/api/v1/quarantine/{id}", Rule::ADMIN, api::quarantine_delete)
        .get("/api/v1/quarantine/{id}/message", Rule::OPERATOR, api::quarantine_message)
        .get("/api/v1/lists/changes", Rule::VIEWER, list_changes::list)
        .post("/api/v1/lists/changes/{id}/undo", Rule::OPERATOR.long(), list_changes::undo)
        .get("/api/v1/lists/{list}", Rule::VIEWER, lists::list)
        .post("/api/v1/lists/{list}", Rule::OPERATOR, lists::add)
        .delete("/api/v1/lists/{list}", Rule::OPERATOR, lists::remove)
        .get("/api/v1/lists/{list}/entry", Rule::VIEWER, lists::show)
        .post("/api/v1/lists/{list}/import", Rule::ADMIN.body(Body::Import).long(), lists::import)
        .get("/api/v1/lists/{list}/export", Rule::VIEWER.long(), lists::export)
        .get("/api/v1/feeds", Rule::VIEWER, feeds::list)
        .get("/api/v1/feeds/lookup", Rule::VIEWER, feeds::look_up)
        .get("/api/v1/retro", Rule::VIEWER, retro::list)
        .get("/api/v1/notify", Rule::VIEWER, notify::list)
        .post("/api/v1/notify/{name}/test", Rule::OPERATOR.long(), notify::test)
        .post("/api/v1/feeds/{name}/refresh", Rule::OPERATOR.long(), feeds::refresh)
        .post("/api/v1/quarantine/{id}/release", Rule::OPERATOR.long(), release::release)
        .post("/api/v1/quarantine/{id}/rescan", Rule::OPERATOR.long(), release::rescan)
        .post("/api/v1/quarantine/{id}/learn/{class}", Rule::OPERATOR.long(), release::learn_entry)
        .post("/api/v1/learn/{class}", Rule::OPERATOR.body(Body::Message).long(), release::learn_message)
        .post("/api/v1/report/{class}", Rule::REPORTER.body(Body::Report), report::report)
        .post("/api/v1/scan", Rule::OPERATOR.body(Body::Message).long(), scan::scan)
        .post("/api/v1/reload", Rule::ADMIN.long(), api::reload)
        .get("/api/v1/log/level", Rule::VIEWER, log::show)
        .post("/api/v1/log/level", Rule::ADMIN, log::set)
        .delete("/api/v1/log/level", Rule::ADMIN, log::reset)
        .get("/api/v1/tokens", Rule::ADMIN, token_api::list)
        .post("/api/v1/tokens", Rule::ADMIN, token_api::create)
        .delete("/api/v1/tokens/{name}", Rule::ADMIN, token_api::revoke)
}

/// Routes and their rules, which can only be added together.
#[derive(Default)]
pub(super) struct Routes {
    router: Router<Door>,
    rules: Rules,
}

impl Routes {
    pub(super) fn get<T: 'static>(
        self,
        path: &'static str,
        rule: Rule,
        handler: impl Handler<T, Door>,
    ) -> Self {
        self.add(Method::GET, MethodFilter::GET, path, rule, handler)
    }

    pub(super) fn post<T: 'static>(
        self,
        path: &'static str,
        rule: Rule,
        handler: impl Handler<T, Door>,
    ) -> Self {
        self.add(Method::POST, MethodFilter::POST, path, rule, handler)
    }

    pub(super) fn delete<T: 'static>(
        self,
        path: &'static str,
        rule: Rule,
        handler: impl Handler<T, Door>,
    ) -> Self {
        self.add(Method::DELETE, MethodFilter::DELETE, path, rule, handler)
    }

    fn add<T: 'static>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        rule: Rule,
        handler: impl Handler<T, Door>,
    ) -> Self {
        self.rules.0.entry(path).or_default().push((method, rule));
        Self { router: self.router.route(path, on(filter, handler)), rules: self.rules }
    }

    /// The routes, and what they need.
    pub(super) fn split(self) -> (Router<Door>, Rules) {
        (self.router, self.rules)
    }
}

/// What each route needs.
#[derive(Default)]
pub(super) struct Rules(HashMap<&'static str, Vec<(Method, Rule)>>);

impl Rules {
    /// The rule of the route that a request matched. Where there is none – an unknown path, another
    /// method – that is only told to those who may see anything at all.
    pub(super) fn of(&self, request: &Request) -> Rule {
        let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let methods = path.and_then(|path| self.0.get(path));
        // A HEAD is a GET whose body is not sent.
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let found = methods.into_iter().flatten().find(|(of, _)| of == method);
        found.map_or(Rule::VIEWER, |(_, rule)| *rule)
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<(Method, &'static str, Rule)> {
        let rules =
            self.0.iter().flat_map(|(path, methods)| methods.iter().map(|(m, r)| (m.clone(), *path, *r)));
        let mut rules: Vec<_> = rules.collect();
        rules.sort_by_key(|(method, path, _)| (*path, method.to_string()));
        rules
    }
}

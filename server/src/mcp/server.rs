//! The protocol itself: `rmcp`'s server over this module's tools, and stories and runs as resources.
//!
//! No state is kept between requests: each names all it needs, and who asks was settled before.

use std::borrow::Cow;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::{Map, Value, json};
use storkit_core::request::Refusal;
use tokio::io::{AsyncRead, AsyncWrite};

use super::call::Call;
use super::list::TOOLS;
use super::{Caller, Desk};

/// Longest message of the protocol, in bytes.
const MESSAGE_LEN_MAX: usize = 1024 * 1024;
/// What is said of a resource's type.
const JSON_TYPE: &str = "application/json";
/// Most stories among the resources; the tools list all.
const RESOURCES_MAX: usize = 200;

const ABOUT_RUN: &str = "storkit runs you on one story. get_story shows it; check_criterion ticks what is met; ask_human asks \
                         a person: end your turn after it.";
const ABOUT_BOARD: &str = "The board of storkit: stories are Markdown files in stages, agents work on those in current, \
                           what passes the gates lands on the base branch.";

/// storkit's tools for one caller.
pub struct Tools<D> {
    desk: Arc<D>,
    caller: Caller,
}

impl<D> Clone for Tools<D> {
    fn clone(&self) -> Self {
        Self { desk: Arc::clone(&self.desk), caller: self.caller.clone() }
    }
}

/// The tools for one caller, as a service of requests over HTTP. Names and origins were checked at the door.
pub fn over_http<D: Desk>(
    desk: Arc<D>,
    caller: Caller,
) -> StreamableHttpService<Tools<D>, NeverSessionManager> {
    let tools = Tools { desk, caller };
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MESSAGE_LEN_MAX)
        .disable_allowed_hosts()
        .disable_allowed_origins();
    StreamableHttpService::new(move || Ok(tools.clone()), Arc::default(), config)
}

/// The tools for one caller, over a stream of lines, until it ends.
pub async fn over_stream<D: Desk>(
    desk: Arc<D>,
    caller: Caller,
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
) {
    // An error is the other side's: it left, or does not speak the protocol.
    if let Ok(running) = (Tools { desk, caller }).serve(tokio::io::split(stream)).await {
        let _ = running.waiting().await;
    }
}

impl<D: Desk> Tools<D> {
    async fn call(&self, name: &str, arguments: Map<String, Value>) -> Option<Result<Value, Refusal>> {
        Call { desk: &*self.desk, caller: &self.caller, arguments }.carry_out(name).await
    }
}

impl<D: Desk> ServerHandler for Tools<D> {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        let about = if self.caller == Caller::Owner { ABOUT_BOARD } else { ABOUT_RUN };
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("storkit", env!("CARGO_PKG_VERSION")))
            .with_instructions(about)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mine = TOOLS.iter().filter(|tool| tool.is_for(&self.caller));
        let tools = mine.map(|tool| {
            let hints = ToolAnnotations::from_raw(None, Some(tool.looks), Some(false), None, Some(false));
            Tool::new(tool.name, tool.description, tool.schema()).with_annotations(hints)
        });
        Ok(ListToolsResult { tools: tools.collect(), ..ListToolsResult::default() })
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let answer = self.call(&request.name, request.arguments.unwrap_or_default()).await;
        let unknown = || ErrorData::invalid_params(format!("there is no tool {}", request.name), None);
        let result = match answer.ok_or_else(unknown)? {
            Ok(value) => CallToolResult::success(vec![ContentBlock::text(value.to_string())]),
            Err(refusal) => CallToolResult::error(vec![ContentBlock::text(words(&refusal))]),
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let (tool, arguments) = match &self.caller {
            Caller::Owner => ("list_stories", json!({ "limit": RESOURCES_MAX })),
            Caller::Run(_) => ("get_story", json!({})),
        };
        let found = self.read(tool, arguments).await?;
        let stories = match &self.caller {
            Caller::Owner => found["stories"].as_array().cloned().unwrap_or_default(),
            Caller::Run(_) => vec![found["story"].clone()],
        };
        let resources = stories.iter().flat_map(|story| {
            let text = |key: &str| story[key].as_str().map(str::to_owned);
            let resource = |kind: &str, id: String, title: String| {
                let uri = format!("storkit://{kind}/{id}");
                Resource::new(uri, id).with_title(title).with_mime_type(JSON_TYPE)
            };
            let name = text("name").unwrap_or_default();
            let run = text("run").map(|run| resource("runs", run, format!("The last run of: {name}")));
            text("id").map(|id| resource("stories", id, name)).into_iter().chain(run)
        });
        Ok(ListResourcesResult { resources: resources.collect(), ..ListResourcesResult::default() })
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template = |uri: &str, name: &str, about: &str| {
            ResourceTemplate::new(uri, name).with_description(about).with_mime_type(JSON_TYPE)
        };
        let resource_templates = vec![
            template("storkit://stories/{id}", "story", "A story: what it is doing, its text and criteria."),
            template("storkit://runs/{run}", "run", "A run of an agent."),
        ];
        Ok(ListResourceTemplatesResult { resource_templates, ..ListResourceTemplatesResult::default() })
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        let (kind, name) =
            uri.strip_prefix("storkit://").and_then(|rest| rest.split_once('/')).unwrap_or_default();
        let value = match kind {
            "stories" => self.read("get_story", json!({ "story": name })).await?,
            "runs" => self.read("get_run", json!({ "run": name })).await?,
            _ => return Err(ErrorData::resource_not_found(Cow::Borrowed("there is no such resource"), None)),
        };
        let contents = ResourceContents::text(value.to_string(), uri).with_mime_type(JSON_TYPE);
        Ok(ReadResourceResult::new(vec![contents]).into())
    }
}

impl<D: Desk> Tools<D> {
    /// What a looking tool answers, for a resource.
    async fn read(&self, tool: &str, arguments: Value) -> Result<Value, ErrorData> {
        let Value::Object(arguments) = arguments else { return Ok(Value::Null) };
        match self.call(tool, arguments).await {
            Some(Ok(value)) => Ok(value),
            Some(Err(refusal)) => Err(ErrorData::resource_not_found(words(&refusal), None)),
            None => Err(ErrorData::internal_error("a tool is missing", None)),
        }
    }
}

/// A refusal as a model reads it, with the way out.
fn words(refusal: &Refusal) -> String {
    match &refusal.hint {
        Some(hint) => format!("{}. {hint}", refusal.error.trim_end_matches('.')),
        None => refusal.error.clone(),
    }
}

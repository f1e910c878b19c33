//! The hub as an address: where it is, who asks, and what it answers.

use super::error::HubError;
use super::listing::{Entry, Listing, RepoId};
use super::pull::Watch;
use hf_hub::api::sync::{Api, ApiBuilder};
use hf_hub::{Cache, Repo, RepoType};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;
use ureq::Agent;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, StatusCode};

/// Looking a name up, and connecting: a machine that is offline is told at once.
const RESOLVE: Duration = Duration::from_secs(4);
const CONNECT: Duration = Duration::from_secs(6);

/// Until a hub begins to answer, and until it goes on.
const SILENCE: Duration = Duration::from_secs(30);

/// Bytes of a listing.
const MAX_LISTING: u64 = 64 << 20;

/// How often a wait looks for a cancel.
const GLANCE: Duration = Duration::from_millis(50);

/// Which hub, and in whose name.
#[derive(Clone, Debug)]
pub struct Access {
    /// `https://huggingface.co`, or a mirror.
    pub endpoint: String,
    /// For private and gated models.
    pub token: Option<String>,
    /// The folder where Hugging Face's own programs keep models, which are copied from there.
    pub cache: Option<PathBuf>,
}

impl Access {
    /// As Hugging Face's own programs have it: `HF_ENDPOINT`, and the token of `HF_TOKEN` or of the file that
    /// `hf auth login` writes.
    pub fn from_environment() -> Self {
        let variable =
            |name| std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let token = variable("HF_TOKEN").or_else(|| cache()?.token());
        let hub = variable("HF_HUB_CACHE").map(PathBuf::from).or_else(|| Some(cache()?.path().clone()));
        Self { endpoint: endpoint.trim_end_matches('/').to_owned(), token, cache: hub }
    }

    /// For people: `huggingface.co`.
    pub fn host(&self) -> &str {
        self.endpoint.split_once("://").map_or(self.endpoint.as_str(), |(_, host)| host)
    }
}

/// Where Hugging Face's programs keep things: the token, and the files of models. Nothing is written there.
fn cache() -> Option<Cache> {
    let own = || directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".cache").join("huggingface"));
    let home = std::env::var_os("HF_HOME").map(PathBuf::from).or_else(own)?;
    Some(Cache::new(home.join("hub")))
}

/// A repository of a hub, at a branch, a tag or a commit.
pub(super) struct Client {
    pub(super) id: RepoId,
    pub(super) access: Access,
    pub(super) agent: Agent,
    api: Api,
}

impl Client {
    pub(super) fn new(id: RepoId, access: Access) -> Result<Self, HubError> {
        let is_secure = access.endpoint.starts_with("https://");
        if !is_secure && !access.endpoint.starts_with("http://") {
            let endpoint = &access.endpoint;
            return Err(HubError::failed(format!(
                "HF_ENDPOINT is {endpoint:?}; an address with http:// or https:// was expected"
            )));
        }
        let config = Agent::config_builder()
            .https_only(is_secure)
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .accept_encoding("identity")
            .user_agent(concat!("tuck/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(RESOLVE))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE));
        // Without its own cache, which panics where there is no home folder.
        let builder = ApiBuilder::from_cache(Cache::new(PathBuf::new())).with_progress(false);
        let builder = builder.with_endpoint(access.endpoint.clone()).with_token(access.token.clone());
        let api = builder.build().map_err(|error| HubError::failed(format!("{}: {error}", access.host())))?;
        Ok(Self { id, access, agent: config.build().new_agent(), api })
    }

    fn repo(&self, revision: &str) -> Repo {
        Repo::with_revision(self.id.to_string(), RepoType::Model, revision.to_owned())
    }

    /// What the repository holds.
    pub(super) fn listing(&self, revision: &str, watch: &dyn Watch) -> Result<Listing, HubError> {
        let request = self.api.repo(self.repo(revision)).info_request();
        let request =
            request.config().http_status_as_error(false).https_only(self.access.endpoint.starts_with("https://"));
        let request = request.timeout_resolve(Some(RESOLVE)).timeout_connect(Some(CONNECT));
        let request = request.timeout_recv_response(Some(SILENCE)).timeout_per_read(Some(SILENCE)).build();
        let asked = interruptible(watch, move || {
            let mut response = request.query("blobs", "true").call()?;
            let body = response.body_mut().with_config().limit(MAX_LISTING).read_to_vec()?;
            Ok::<_, ureq::Error>((response, body))
        })?;
        let (response, body) = asked.map_err(|error| self.unreachable(&error))?;
        match response.status() {
            StatusCode::OK => Listing::parse(&self.id, &body),
            _ => Err(self.refusal(&response, &format!("revision {revision}"))),
        }
    }

    /// Where the content of a file is.
    pub(super) fn address(&self, commit: &str, entry: &Entry) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let encode = |byte: u8| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") };
        self.api.repo(self.repo(commit)).url(&entry.path.bytes().map(encode).collect::<String>())
    }

    /// The content of a file where Hugging Face's own programs keep it, named by its digest.
    pub(super) fn cached(&self, entry: &Entry) -> Option<PathBuf> {
        let (cache, digest) = (self.access.cache.as_ref()?, entry.digest.as_ref()?);
        let repo = cache.join(Repo::model(self.id.to_string()).folder_name());
        let blob = repo.join("blobs").join(digest.to_string());
        std::fs::metadata(&blob).is_ok_and(|found| found.is_file() && found.len() == entry.bytes).then_some(blob)
    }

    /// An answer that is no content, in words.
    pub(super) fn refusal<T>(&self, response: &Response<T>, what: &str) -> HubError {
        let (id, host, endpoint) = (&self.id, self.access.host(), &self.access.endpoint);
        let code = response.headers().get("x-error-code").and_then(|code| code.to_str().ok()).unwrap_or_default();
        let has_token = self.access.token.is_some();
        let terms = format!(
            "open {endpoint}/{id} in a browser, accept its terms, and set HF_TOKEN to a token of that account \
             ({endpoint}/settings/tokens)"
        );
        HubError::failed(match (response.status().as_u16(), code) {
            (401 | 403, "GatedRepo") => format!("{id} is open only to those who accept its terms; {terms}"),
            (401, _) if has_token => {
                format!("{host} does not accept the token in HF_TOKEN, or {id} is not there; check both")
            }
            (401, _) => format!(
                "{host} shows {id} to nobody without a token: it is not there under this name, or private, or open only to \
                 those who accept its terms; check the name, and then {terms}"
            ),
            (403, _) => format!("{host} does not let this account read {id}; {terms}"),
            (404, "RevisionNotFound") => format!("{id} has no {what}; look under \"Files and versions\" of its page"),
            (404, "EntryNotFound") => format!("{id} has no {what}; pull it again, for it may have changed meanwhile"),
            (404, _) => {
                format!("there is no model {id} at {host}, or no {what} of it; check the name's spelling and case")
            }
            (429, _) => {
                format!("{host} answers too many requests at the moment (429); wait some minutes and try again")
            }
            (status @ 500.., _) => format!("{host} has a trouble of its own ({status}); try again later"),
            (status, _) => format!("{host} answers {status} for {what} of {id}, which is no file"),
        })
    }

    /// A connection that did not come about, or broke.
    pub(super) fn unreachable(&self, error: &ureq::Error) -> HubError {
        let host = self.access.host();
        match is_offline(error) {
            true => HubError::Offline { host: host.to_owned(), cause: plainly(error) },
            false => HubError::failed(format!("the connection to {host} broke ({}); try again", plainly(error))),
        }
    }
}

/// Whether the hub was never reached.
fn is_offline(error: &ureq::Error) -> bool {
    use std::io::ErrorKind as Kind;
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::ConnectProxyFailed(_) => true,
        ureq::Error::Timeout(timeout) => matches!(timeout, ureq::Timeout::Resolve | ureq::Timeout::Connect),
        ureq::Error::Io(error) => {
            is_unknown_name(error)
                || matches!(
                    error.kind(),
                    Kind::ConnectionRefused
                        | Kind::HostUnreachable
                        | Kind::NetworkUnreachable
                        | Kind::NetworkDown
                        | Kind::AddrNotAvailable
                )
        }
        _ => false,
    }
}

/// Whether a name was looked up in vain, for which the standard library has no kind of error: it says so in words where
/// `getaddrinfo` fails, and has the codes of Winsock on Windows.
fn is_unknown_name(error: &std::io::Error) -> bool {
    const WINSOCK: std::ops::RangeInclusive<i32> = 11001..=11004;
    error.to_string().contains("lookup address information")
        || cfg!(windows) && error.raw_os_error().is_some_and(|code| WINSOCK.contains(&code))
}

/// The library's words, where ours say no more.
pub(super) fn plainly(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "its name is not found".to_owned(),
        ureq::Error::Timeout(ureq::Timeout::Resolve) => "looking its name up takes too long".to_owned(),
        ureq::Error::Timeout(ureq::Timeout::Connect) => "connecting takes too long".to_owned(),
        ureq::Error::Timeout(_) => format!("silent for {} s", SILENCE.as_secs()),
        ureq::Error::Io(error) if is_unknown_name(error) => "its name is not found".to_owned(),
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Does something that cannot be stopped on a thread of its own, and leaves it behind at a cancel: it holds nothing but
/// a connection, and its waits are bounded.
pub(super) fn interruptible<T: Send + 'static>(
    watch: &dyn Watch,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HubError> {
    let (answer, answers) = sync_channel(1);
    // The receiver is gone after a cancel.
    thread::spawn(move || answer.send(work()));
    loop {
        match answers.recv_timeout(GLANCE) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) if watch.is_cancelled() => return Err(HubError::Cancelled),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(HubError::failed("a request ended without an answer")),
        }
    }
}

//! A browser without a screen.

use std::collections::HashMap;
use std::time::Duration;

use http::StatusCode;
use http::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, RequestBuilder};
use unattended_sandbox::{Administrator, Ready};
use url::Url;

/// A browser: it keeps cookies, and goes where it is sent only when told.
pub(super) struct Browser {
    pub(super) client: reqwest::Client,
    pub(super) base: String,
    pub(super) cookies: HashMap<String, String>,
}

/// A page, or a redirect.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: http::HeaderMap,
    pub(super) url: String,
    pub(super) html: String,
}

impl Browser {
    pub(super) fn new(ready: &Ready) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let authority = Certificate::from_pem(&std::fs::read(&ready.ca_file).unwrap()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_only([authority])
            .no_proxy()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(20));
        Self { client: client.build().unwrap(), base: ready.authority.clone(), cookies: HashMap::new() }
    }

    pub(super) async fn get(&mut self, path: &str) -> Page {
        let url = format!("{}{path}", self.base);
        self.send(self.client.get(&url), url).await
    }

    /// Submits a form of a page, with its hidden fields.
    pub(super) async fn submit(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let token = page.token_of(action);
        self.post(&page.url, action, &token, fields).await
    }

    pub(super) async fn post(
        &mut self,
        url: &str,
        action: &str,
        token: &str,
        fields: &[(&str, &str)],
    ) -> Page {
        let mut form = vec![("action", action), ("token", token)];
        form.extend_from_slice(fields);
        let request = self.client.post(url).header(ORIGIN, &self.base).form(&form);
        self.send(request, url.to_owned()).await
    }

    pub(super) async fn send(&mut self, mut request: RequestBuilder, url: String) -> Page {
        for (name, value) in &self.cookies {
            request = request.header(COOKIE, format!("{name}={value}"));
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Page { status, headers, url, html: response.text().await.unwrap() }
    }

    /// Opens a link, signs in to a tenant, and returns the page that lists the permissions.
    pub(super) async fn sign_in(&mut self, link: &str, tenant: &str, administrator: &Administrator) -> Page {
        let page = self.get(link).await;
        assert!(page.html.contains("<h1>Sign in</h1>"), "{}", page.html);
        let secret = std::fs::read_to_string(&administrator.secret_file).unwrap();
        let fields = [("account", tenant), ("password", secret.as_str())];
        let answer = self.submit(&page, "sign-in", &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.html);
        let next = Url::parse(&page.url).unwrap().join(&answer.location()).unwrap();
        assert_eq!(next.as_str(), Url::parse(&page.url).unwrap().as_str());
        self.get(link).await
    }
}

impl Page {
    pub(super) fn location(&self) -> String {
        self.headers[LOCATION].to_str().unwrap().to_owned()
    }

    /// The hidden token of the form with an action.
    pub(super) fn token_of(&self, action: &str) -> String {
        let forms = self.html.split("<form").skip(1).map(|form| form.split("</form>").next().unwrap());
        let marker = format!(r#"value="{action}""#);
        let form =
            forms.into_iter().find(|form| form.contains(&marker)).unwrap_or_else(|| panic!("{}", self.html));
        let rest = form.split(r#"name="token" value=""#).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// Where it leads, and with which parameters.
    pub(super) fn answer(&self) -> (String, Vec<(String, String)>) {
        assert_eq!(self.status, StatusCode::FOUND, "{}", self.html);
        let location = self.location();
        assert!(location.ends_with('#'), "{location}");
        let url = Url::parse(&location).unwrap();
        let place = location.split('?').next().unwrap().to_owned();
        (place, url.query_pairs().into_owned().collect())
    }

    #[track_caller]
    pub(super) fn is_error(&self, code: u32) {
        assert_eq!(self.status, StatusCode::BAD_REQUEST, "{}", self.html);
        assert!(self.headers.get(LOCATION).is_none());
        assert!(self.html.contains(&format!("<strong>AADSTS{code}</strong>")), "{}", self.html);
        for part in ["Trace ID", "Correlation ID", "Timestamp"] {
            assert!(self.html.contains(part), "{}", self.html);
        }
    }
}

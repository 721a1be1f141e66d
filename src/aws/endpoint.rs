//! The endpoints of a run: AWS's own, or those that a flag, the variables or the profile name instead. Sends
//! nothing, and needs neither credentials nor a region.

use super::connect::Target;
use aws_config::SdkConfig;

/// The services called, by the names under which endpoints are configured. The last one changes nothing.
pub const SERVICES: [&str; 3] = ["ivs", "IVS RealTime", "STS"];

/// Where the requests of a run go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoints {
    /// To the endpoints of AWS.
    Aws,
    /// To the emulator in this process.
    Emulator,
    /// To one address, for all services.
    One(Address),
    /// To these addresses for these services, and to AWS's own for the others.
    Several(Vec<(&'static str, Address)>),
}

/// The address of an endpoint, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Without a user name, a password and a query, which may be secrets.
    pub shown: String,
    /// Whether nothing was left out.
    pub whole: bool,
}

impl Address {
    /// The address `url` as it may be shown.
    pub fn of(url: &str) -> Self {
        let shown = without_credentials(url);
        Self { whole: shown == url, shown }
    }
}

impl Endpoints {
    /// The endpoints of [`SERVICES`], in their order.
    pub(super) fn from_urls(urls: &[Option<String>]) -> Self {
        let named = SERVICES.into_iter().zip(urls);
        let named = named.filter_map(|(service, url)| Some((service, url.as_ref()?)));
        let named: Vec<_> = named.map(|(service, url)| (service, Address::of(url))).collect();
        match named.split_first() {
            None => Self::Aws,
            Some(((_, first), others))
                if named.len() == SERVICES.len() && others.iter().all(|(_, it)| it == first) =>
            {
                Self::One(first.clone())
            }
            Some(_) => Self::Several(named),
        }
    }

    /// The endpoints of the two services that are changed, for people to read and for saved plans; `None` for
    /// those of AWS.
    pub fn shown(&self) -> Option<String> {
        match self {
            Self::Aws => None,
            Self::Emulator => Some("emulator".to_owned()),
            Self::One(address) => Some(address.shown.clone()),
            Self::Several(named) => {
                let changed: Vec<_> =
                    named.iter().filter(|(service, _)| SERVICES[..2].contains(service)).collect();
                match changed.as_slice() {
                    [] => None,
                    [(_, one), (_, other)] if one.shown == other.shown => Some(one.shown.clone()),
                    _ => {
                        let each = changed.iter().map(|(service, it)| {
                            format!("{} for {}", it.shown, service.replace("ivs", "IVS"))
                        });
                        Some(each.collect::<Vec<_>>().join(", "))
                    }
                }
            }
        }
    }
}

/// The variable that names the endpoint of `service`.
pub fn variable(service: &str) -> String {
    format!("AWS_ENDPOINT_URL_{}", service.to_uppercase().replace(' ', "_"))
}

/// Whether this is the address of a server.
pub fn is_server(url: &str) -> bool {
    let uri = url.parse::<http::Uri>().ok();
    uri.is_some_and(|it| it.host().is_some() && matches!(it.scheme_str(), Some("http" | "https")))
}

/// The addresses in force for [`SERVICES`] where they are not AWS's own: the flag's, or what the variables and the
/// profile say, in the SDK's own order.
pub(super) fn urls(target: &Target, config: &SdkConfig) -> Vec<Option<String>> {
    let of = |service| {
        target.endpoint_url.clone().or_else(|| {
            endpoint_of_service(config, service)
                .or_else(|| config.endpoint_url().map(ToOwned::to_owned))
                .filter(|it| !it.is_empty())
        })
    };
    SERVICES.into_iter().map(of).collect()
}

/// What the variables and the profile say for a service, or for all.
pub(super) fn endpoint_of_service(config: &SdkConfig, service: &'static str) -> Option<String> {
    use aws_types::service_config::ServiceConfigKey;
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    config.service_config().and_then(|it| it.load_config(key)).filter(|it| !it.is_empty())
}

/// An address for people to read: a user name, a password and a query in it may be secrets.
fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((_, host)) if scheme.is_empty() => format!("{host}{path}"),
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None if scheme.is_empty() => format!("{authority}{path}"),
        None => format!("{scheme}://{authority}{path}"),
    }
}

pub(super) fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    match uri.host() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_shown_without_the_credentials_in_it() {
        for (url, shown) in [
            ("http://user:secret@10.0.0.1:80/a@b", "http://10.0.0.1:80/a@b"),
            ("https://a:b@c@example.com", "https://example.com"),
            ("https://example.com/x?y=@z", "https://example.com/x"),
            ("http://127.0.0.1:1#token", "http://127.0.0.1:1"),
            ("user:secret@example.com", "example.com"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for url in
            ["http://127.0.0.1:4599", "http://localhost:1", "http://[::1]:80", "http://127.9.9.9"]
        {
            assert!(is_loopback(url), "{url}");
        }
        for url in
            ["http://10.0.0.1", "https://example.com", "http://localhost.example.com", "nonsense"]
        {
            assert!(!is_loopback(url), "{url}");
        }
    }
}

//! Pages of lists. A token is a position in the order of creation, so a list that is read page by
//! page neither repeats nor skips what stays, whatever others create or delete meanwhile.

use serde_json::{Map, Value, json};

use super::clock::Millis;
use super::context::{Answer, OperationContext, Paging};
use super::failure::Failure;
use super::generator::constant_hex;
use super::objects::text;

/// One page of `rows`, which are in ascending order of their position: `{"member": […],
/// "nextToken": …}`.
pub(crate) fn page(
    context: &OperationContext<'_>,
    input: &Map<String, Value>,
    default: usize,
    member: &str,
    rows: Vec<(u64, &Map<String, Value>)>,
) -> Answer {
    let asked = input.get("maxResults").and_then(Value::as_u64);
    let size = asked.and_then(|asked| usize::try_from(asked).ok()).unwrap_or(default);
    let size = match context.common.switches.largest_page {
        0 => size,
        // A service may answer with less than it was asked for.
        largest => size.min(usize::try_from(largest).unwrap_or(usize::MAX)),
    };
    let list = fingerprint(context, input);
    let after = match text(input, "nextToken") {
        "" => 0,
        _ if context.fault_view.pages == Some(Paging::Expired) => {
            return Err(Failure::validation("Invalid nextToken: it has expired"));
        }
        token => read(context, token, &list)?,
    };
    let again = rows.iter().rev().map(|(position, _)| *position).find(|it| *it <= after);
    let after = match (context.fault_view.pages, again) {
        (Some(Paging::Moved), Some(again)) if after > 0 => again.saturating_sub(1),
        _ => after,
    };
    let mut rest = rows.into_iter().filter(|(position, _)| *position > after).peekable();
    let (mut items, mut last) = (Vec::new(), after);
    while items.len() < size {
        let Some((position, row)) = rest.next() else { break };
        items.push(Value::Object(row.clone()));
        last = position;
    }
    let mut token = rest.peek().map(|_| write(last, context.now, &list));
    if context.fault_view.pages == Some(Paging::Repeated) && after > 0 {
        token = Some(text(input, "nextToken").to_owned());
    }
    Ok(json!({ member: items, "nextToken": token }))
}

/// What a token is good for: the same list with the same filters in the same region.
fn fingerprint(context: &OperationContext<'_>, input: &Map<String, Value>) -> String {
    let mut filters = input.clone();
    filters.shift_remove("nextToken");
    filters.shift_remove("maxResults");
    constant_hex(&format!(
        "{}{}{}",
        context.region_name,
        context.operation.name,
        Value::Object(filters)
    ))
}

fn write(position: u64, now: Millis, list: &str) -> String {
    let text = format!("{position}.{}.{list}", now.0);
    text.bytes().flat_map(|byte| [nibble(byte >> 4), nibble(byte & 15)]).map(char::from).collect()
}

fn nibble(value: u8) -> u8 {
    // Letters only, so that a client cannot treat a token as a number.
    b'a' + value
}

fn read(context: &OperationContext<'_>, token: &str, list: &str) -> Result<u64, Failure> {
    let refused = |why: &str| Failure::validation(format!("Invalid nextToken: {why}"));
    let unreadable = || refused("it was not issued by this service");
    let letters: Vec<u8> = token.bytes().map(|byte| byte.wrapping_sub(b'a')).collect();
    if !letters.len().is_multiple_of(2) || letters.iter().any(|value| *value > 15) {
        return Err(unreadable());
    }
    let bytes = letters.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
    let mut parts = text.split('.');
    let (Some(position), Some(issued), Some(of), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(unreadable());
    };
    let position = position.parse().map_err(|_| unreadable())?;
    let issued = issued.parse().map(Millis).map_err(|_| unreadable())?;
    if of != list {
        return Err(refused("it belongs to another request"));
    }
    let lifetime = u64::from(context.common.switches.page_token_seconds);
    if context.now.since(issued).as_secs() > lifetime {
        return Err(refused("it has expired"));
    }
    Ok(position)
}

//! The live streams of channels: which there are, how many watch, and how to end one. Knows no manifest.

use crate::aws::{Class, Clients, CloudError, Sorted, found};
use crate::kinds::live::answered_time;
use crate::kinds::{Arn, Audience, Live, OnAir, WireEnum, drain};
use aws_sdk_ivs::types::StreamState;

/// Whether a stream is answered that has ended: AWS may do that, or answer none.
fn is_offline(state: Option<&StreamState>) -> bool {
    matches!(state, Some(StreamState::StreamOffline))
}

/// Every stream of the account at this moment: one sweep tells which channels are live.
pub(super) async fn streams(aws: &Clients) -> Result<Vec<OnAir>, CloudError> {
    let mut found = Vec::new();
    drain(
        "ListStreams",
        |token| async move {
            let page = aws.ivs.list_streams().max_results(100).set_next_token(token);
            page.send().await.sorted("ListStreams")
        },
        |page| {
            let on_air = page.streams.into_iter().filter(|it| !is_offline(it.state.as_ref()));
            found.extend(on_air.filter_map(|it| {
                let live = Live {
                    since: answered_time(it.start_time.and_then(|it| it.to_millis().ok())),
                    health: WireEnum::answered(it.health),
                    ..Live::default()
                };
                let audience = Audience::stream(it.viewer_count, it.stream_id);
                Some(OnAir { arn: Arn::new(it.channel_arn?), audience, live })
            }));
            page.next_token
        },
    )
    .await?;
    Ok(found)
}

/// The stream of a channel at this moment, if there is one.
pub(super) async fn audience(aws: &Clients, arn: &Arn) -> Result<Option<Audience>, CloudError> {
    let answer = aws.ivs.get_stream().channel_arn(arn.as_str()).send().await.sorted("GetStream");
    // A channel that is not broadcasting answers ChannelNotBroadcasting, not a state.
    let stream = found(answer)?.and_then(|it| it.stream);
    let stream = stream.filter(|it| !is_offline(it.state.as_ref()));
    Ok(stream.map(|it| Audience::stream(it.viewer_count, it.stream_id)))
}

/// Ends the stream of a channel; a channel without one is left as it is.
pub(super) async fn stop(aws: &Clients, arn: &Arn) -> Result<(), CloudError> {
    let stopped = aws.ivs_once.stop_stream().channel_arn(arn.as_str()).send().await;
    match stopped.sorted("StopStream") {
        Err(error) if error.class != Class::NotFound => Err(error),
        _ => Ok(()),
    }
}

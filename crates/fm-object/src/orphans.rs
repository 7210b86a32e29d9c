//! Unfinished uploads that no note names: the run was killed between the store's answer and its note.
//!
//! The store's own list of uploads contains them. The library does not support that list, so this module
//! makes the request, with an address that the library signs.
//!
//! Invariants: only uploads to the keys of unfinished work are ended. If a store does not show its list,
//! nothing else fails.

use std::time::Duration;

use object_store::MultipartId;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};

use crate::answer::between;
use crate::client::Client;

/// Longest time for the list.
const LIST_TIME: Duration = Duration::from_secs(20);
/// The time for which the signed address is valid.
const SIGNED_FOR: Duration = Duration::from_secs(300);

/// Ends all unfinished uploads to keys that begin with the key of `client` and for which `is_orphan` holds;
/// returns their number.
pub(crate) async fn end(client: &Client, is_orphan: impl Fn(&str, &str) -> bool) -> usize {
    let mut ended = 0;
    for (key, id) in list(client).await.unwrap_or_default() {
        let Ok(path) = Path::parse(&key) else { continue };
        if is_orphan(&key, &id) && client.store.abort_multipart(&path, &id).await.is_ok() {
            ended += 1;
        }
    }
    ended
}

/// Returns key and name of unfinished uploads to keys that begin with this one; `None` if the store does not
/// list them.
async fn list(client: &Client) -> Option<Vec<(String, MultipartId)>> {
    let query = [("uploads", ""), ("prefix", client.path.as_ref())];
    let options = SignedUrlOptions::default().with_query(query);
    let (bucket, get) = (Path::default(), reqwest::Method::GET);
    let url = client.store.signed_url_opts(get, &bucket, SIGNED_FOR, &options).await.ok()?;
    let http = reqwest::Client::builder().timeout(LIST_TIME).build().ok()?;
    // An error would repeat the address, which contains a signature.
    let answer = http.get(url).send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let bytes = answer.bytes().await.ok()?;
    Some(read(&String::from_utf8_lossy(&bytes)))
}

fn read(text: &str) -> Vec<(String, MultipartId)> {
    let uploads = text.split("<Upload>").skip(1);
    let read = |upload: &str| {
        Some((
            plain(between(upload, "<Key>", "</Key>")?),
            plain(between(upload, "<UploadId>", "</UploadId>")?),
        ))
    };
    uploads.filter_map(read).collect()
}

/// Decodes the XML entities in such an answer.
fn plain(text: &str) -> String {
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    marks.iter().fold(text.to_owned(), |text, (mark, plain)| text.replace(mark, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read() {
        let text = "<?xml version=\"1.0\"?><ListMultipartUploadsResult><Bucket>b</Bucket>\
                    <Upload><Key>a &amp; b.partial-1</Key><UploadId>X.1</UploadId><Owner><ID>o</ID></Owner></Upload>\
                    <Upload><UploadId>Y</UploadId><Key>c</Key></Upload><Upload><Key>d</Key></Upload></List…>";
        let wanted = [("a & b.partial-1", "X.1"), ("c", "Y")];
        assert_eq!(read(text), wanted.map(|(key, id)| (key.to_owned(), id.to_owned())));
        assert_eq!(read("<Error><Code>AccessDenied</Code></Error>"), []);
    }
}

//! Lists in pages: so many at a time, and in `Link` the address of the next ones.
//!
//! A cursor holds the last item that was shown and where it stood, so that a page neither repeats nor skips what stayed
//! in the list, and still goes on where that item has left it.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::problem::Problem;

/// Most items of a page, and how many there are where nothing is said.
pub(super) const LIMIT_MAX: usize = 500;
const LIMIT_USUAL: usize = 100;

/// A page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The cursor of the next page; none on the last one.
    pub(super) next: Option<String>,
}

/// Cuts a page out of a list.
pub(super) fn cut<T>(
    all: Vec<T>,
    key: impl Fn(&T) -> &str,
    limit: Option<usize>,
    cursor: Option<&str>,
) -> Result<Page<T>, Problem> {
    let limit = limit.unwrap_or(LIMIT_USUAL);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, format!("limit is 1 to {LIMIT_MAX}")));
    }
    let from = cursor.map_or(Ok(0), |cursor| place(&all, &key, cursor))?;
    let whole = all.len();
    let items: Vec<T> = all.into_iter().skip(from).take(limit).collect();
    let end = from.saturating_add(items.len());
    let next = items.last().filter(|_| end < whole).map(|last| format!("{end}.{}", key(last)));
    Ok(Page { items, next })
}

fn place<T>(all: &[T], key: impl Fn(&T) -> &str, cursor: &str) -> Result<usize, Problem> {
    let parts = cursor.split_once('.').and_then(|(at, last)| Some((at.parse::<u32>().ok()?, last)));
    let (at, last) = parts.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "cursor is none that this list gave")
            .hint("take it from `Link`, or leave it out")
    })?;
    let after = all.iter().position(|item| key(item) == last).map(|found| found + 1);
    Ok(after.unwrap_or(at as usize))
}

/// `Link` to the next page of `path`, with the other parts of the query that was asked.
pub(super) fn link(path: &str, query: &str, next: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(next) = next else { return headers };
    let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let cursor = format!("cursor={}", encoded(next));
    let query: Vec<&str> = others.chain([cursor.as_str()]).collect();
    let link = format!("<{path}?{}>; rel=\"next\"", query.join("&"));
    if let Ok(link) = HeaderValue::from_str(&link) {
        headers.insert(header::LINK, link);
    }
    headers
}

/// Text as a part of an address.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn page(all: &[&str], limit: usize, cursor: Option<&str>) -> (Vec<String>, Option<String>) {
        let page = cut(names(all), |name| name, Some(limit), cursor).expect("a page");
        (page.items, page.next)
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended_also_when_the_list_changes() {
        let all = ["a", "b", "c", "d", "e"];
        let (first, next) = page(&all, 2, None);
        assert_eq!((first, next.as_deref()), (names(&["a", "b"]), Some("2.b")));
        assert_eq!(page(&all, 2, Some("2.b")), (names(&["c", "d"]), Some("4.d".to_owned())));
        assert_eq!(page(&all, 2, Some("4.d")), (names(&["e"]), None));
        assert_eq!(page(&["new", "a", "b", "c"], 2, Some("2.b")), (names(&["c"]), None), "it moved");
        assert_eq!(page(&["a", "c", "d"], 2, Some("1.b")), (names(&["c", "d"]), None), "it is gone");
        assert_eq!(page(&all, 2, Some("77.x")), (names(&[]), None));
        assert_eq!(page(&[], 2, None), (names(&[]), None));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for (limit, cursor) in [(0, None), (LIMIT_MAX + 1, None), (1, Some("b")), (1, Some("-1.b"))] {
            assert!(cut(names(&["a"]), |name| name, Some(limit), cursor).is_err(), "{limit} {cursor:?}");
        }
    }

    #[test]
    fn a_link_keeps_the_rest_of_the_query_and_holds_nothing_of_its_own_meaning() {
        let headers = link("/p", "label=a%20b&cursor=1.x&limit=2", Some("3.é>\""));
        let link = headers.get(header::LINK).expect("a link").to_str().expect("text");
        assert_eq!(link, "</p?label=a%20b&limit=2&cursor=3.%C3%A9%3E%22>; rel=\"next\"");
    }
}

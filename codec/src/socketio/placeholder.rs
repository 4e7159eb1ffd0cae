//! The objects that stand for attachments: `{"_placeholder":true,"num":0}`.
//!
//! It owns one rule: each says the number of an attachment that the packet has. A server that believes the number reads
//! where it should not (CVE-2022-2421).

use super::Malformed;
use crate::json::{Piece, Raw};
use crate::limits::JSON_DEPTH_MAX;

/// What is known of an object that is open; arrays are counted with them.
#[derive(Clone, Copy, Default)]
struct Open<'a> {
    is_placeholder: bool,
    num: Option<&'a str>,
}

impl Open<'_> {
    fn holds(&self, attachments: u8) -> bool {
        let num = self.num.and_then(|num| num.parse::<u8>().ok());
        !self.is_placeholder || num.is_some_and(|num| num < attachments)
    }
}

/// Which member's value comes next.
#[derive(Clone, Copy)]
enum Next {
    Placeholder,
    Num,
    Other,
}

/// Checks every placeholder at any depth of a payload; one pass, no memory but for what is open.
pub(super) fn check(payload: Raw<'_>, attachments: u8) -> Result<(), Malformed> {
    let mut open = [Open::default(); JSON_DEPTH_MAX as usize];
    let (mut depth, mut next) = (0_usize, Next::Other);
    for piece in payload.pieces() {
        let was_next = core::mem::replace(&mut next, Next::Other);
        match piece {
            Piece::Open => {
                *open.get_mut(depth).ok_or(Malformed::Placeholder)? = Open::default();
                depth += 1;
            }
            Piece::Close => {
                depth = depth.saturating_sub(1);
                if !open.get(depth).is_some_and(|closed| closed.holds(attachments)) {
                    return Err(Malformed::Placeholder);
                }
            }
            Piece::Name(name) if name.is("_placeholder") => next = Next::Placeholder,
            Piece::Name(name) if name.is("num") => next = Next::Num,
            Piece::Name(_) => {}
            Piece::Scalar(text) => {
                let Some(innermost) = depth.checked_sub(1).and_then(|depth| open.get_mut(depth)) else {
                    continue;
                };
                match was_next {
                    Next::Placeholder => innermost.is_placeholder |= text == "true",
                    Next::Num => innermost.num = Some(text),
                    Next::Other => {}
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn checked(payload: &str) -> Result<(), Malformed> {
        check(json::value(payload.as_bytes()).unwrap(), 2)
    }

    #[test]
    fn lets_pass_what_names_an_attachment_or_is_no_placeholder() {
        for payload in [
            r#"["a",{"_placeholder":true,"num":0},{"deep":[{"num":1,"_placeholder":true}]}]"#,
            r#"["a",{"_placeholder":false,"num":9},{"num":-1},{"_placeholder":"true"},{"_placeholder":1}]"#,
            r#"["_placeholder",true,{"x":["_placeholder",true]}]"#,
        ] {
            assert_eq!(checked(payload), Ok(()), "{payload}");
        }
    }

    #[test]
    fn refuses_what_names_none() {
        for num in ["2", "7", "-1", "1.0", "1e0", "256", r#""0""#, r#""splice""#, "null", "[0]", "{}", "true"]
        {
            let payload = format!(r#"["a",[{{"b":{{"_placeholder":true,"num":{num}}}}}]]"#);
            assert_eq!(checked(&payload), Err(Malformed::Placeholder), "{payload}");
        }
        for payload in [r#"["a",{"_placeholder":true}]"#, r#"["a",{"_pl\u0061ceholder":true,"num":3}]"#] {
            assert_eq!(checked(payload), Err(Malformed::Placeholder), "{payload}");
        }
    }
}

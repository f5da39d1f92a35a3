//! Who a request that says it is Twilio's comes from.
//!
//! A request is Twilio's when it is signed with the token that only Twilio and the operator have. What is
//! signed is the address that Twilio called, as it is seen from outside, and the fields of the form. There
//! is no time in it, so a request that comes again is found out by its message.
//! Source: <https://www.twilio.com/docs/usage/security#validating-requests>.

use ring::hmac;

/// The fields of a request that was found to be Twilio's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

/// Why a request is not taken for Twilio's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The header is missing or is not what Twilio sends.
    #[error("the request is not signed as Twilio signs")]
    Form,
    /// Another token, another address or other fields.
    #[error("the signature is not right")]
    Wrong,
}

impl Form {
    /// Checks the header `X-Twilio-Signature` against the address that was called and the raw body, a
    /// form, in constant time as far as the token goes.
    ///
    /// # Errors
    ///
    /// [`Refused`] where the request is not to be taken for Twilio's.
    pub fn verify(
        token: &str,
        address: &str,
        body: &[u8],
        signature: &str,
    ) -> Result<Self, Refused> {
        let seal = data_encoding::BASE64.decode(signature.as_bytes()).map_err(|_| Refused::Form)?;
        if seal.len() != ring::digest::SHA1_OUTPUT_LEN {
            return Err(Refused::Form);
        }
        let fields = url::form_urlencoded::parse(body);
        let mut fields: Vec<(String, String)> =
            fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        fields.sort();
        let mut signed = address.to_owned();
        for (name, value) in &fields {
            signed.push_str(name);
            signed.push_str(value);
        }
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
        hmac::verify(&key, signed.as_bytes(), &seal).map_err(|_| Refused::Wrong)?;
        Ok(Self(fields))
    }

    /// The value of a field; empty where it is not there.
    pub fn field(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(it, _)| it == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of Twilio's own documentation.
    const TOKEN: &str = "12345";
    const ADDRESS: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const BODY: &str = "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309\
        &CallSid=CA1234567890ABCDE";
    const SIGNATURE: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";

    #[test]
    fn the_example_of_twilio_is_twilios_and_nothing_else_is() {
        let check = |token, address, body: &str, signature| {
            Form::verify(token, address, body.as_bytes(), signature)
        };
        let form = check(TOKEN, ADDRESS, BODY, SIGNATURE).expect("it is Twilio's");
        assert_eq!((form.field("Digits"), form.field("To")), ("1234", "+18005551212"));
        assert_eq!(form.field("Body"), "");
        for signature in ["", "x", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "RSOYDt4T1cUTdK1PDd93/VVr"] {
            assert_eq!(check(TOKEN, ADDRESS, BODY, signature), Err(Refused::Form), "{signature}");
        }
        let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let more = format!("{BODY}&Body=ACK");
        for (token, address, body, signature) in [
            (TOKEN, ADDRESS, BODY, other),
            ("", ADDRESS, BODY, SIGNATURE),
            ("12346", ADDRESS, BODY, SIGNATURE),
            (TOKEN, "http://mycompany.com/myapp.php?foo=1&bar=2", BODY, SIGNATURE),
            (TOKEN, "https://mycompany.com/myapp.php", BODY, SIGNATURE),
            (TOKEN, ADDRESS, &more, SIGNATURE),
            (TOKEN, ADDRESS, "", SIGNATURE),
        ] {
            assert_eq!(check(token, address, body, signature), Err(Refused::Wrong), "{address}");
        }
    }
}

import CustodyDomain

/// A callback (异步通知) as it comes in: verified first, stored raw, read later.
public enum WeChatPayCallback {
    /// Why a callback is answered with an error and not believed.
    public enum Rejection: Error, Hashable, Sendable {
        /// The signature is missing, stale, of an unknown key, a probe, or wrong.
        case signature(WeChatPayVerifier.Rejection)
        /// Signed, but not the envelope it should be.
        case malformed
        /// Signed, but its resource does not decrypt under our APIv3 key.
        case undecryptable
    }

    /// The envelope and its plaintext.
    public struct Content: Hashable, Sendable {
        /// The notification's id (`EV-…`), stable over repeats.
        public let notificationID: String
        /// Such as `TRANSACTION.SUCCESS`.
        public let eventType: String
        /// What the resource says.
        public let resource: JSON
    }

    /// Verifies a callback's signature over its raw bytes, with nothing but the platform's link.
    ///
    /// - Parameters:
    ///   - headers: All header fields, names in any case.
    ///   - now: Real time.
    /// - Returns: The notification's id and event type, to store it under.
    public static func verify(
        headers: [(name: String, value: String)], body: [UInt8], link: WeChatPayLink, now: Instant
    ) throws(Rejection) -> (notificationID: String, eventType: String) {
        do throws(WeChatPayVerifier.Rejection) {
            try WeChatPayVerifier.verify(headers: headers, body: body, link: link, now: now)
        } catch { throw .signature(error) }
        return try envelope(of: body)
    }

    /// Verifies a callback with keys that are at hand, downloaded certificates among them.
    ///
    /// - Returns: The notification's id and event type, to store it under.
    public static func verify(
        headers: [(name: String, value: String)], body: [UInt8], verifier: WeChatPayVerifier, now: Instant
    ) throws(Rejection) -> (notificationID: String, eventType: String) {
        do throws(WeChatPayVerifier.Rejection) {
            try verifier.verify(headers: headers, body: body, now: now)
        } catch { throw .signature(error) }
        return try envelope(of: body)
    }

    private static func envelope(
        of body: [UInt8]
    ) throws(Rejection) -> (notificationID: String, eventType: String) {
        guard let json = try? JSON(parsing: body), let id = json["id"]?.string, !id.isEmpty,
            let type = json["event_type"]?.string, json["resource"]?.members != nil
        else { throw .malformed }
        return (id, type)
    }

    /// Decrypts a callback whose signature was verified when it came in.
    public static func content(of body: [UInt8], apiV3Key: String) throws(Rejection) -> Content {
        guard let json = try? JSON(parsing: body), let id = json["id"]?.string, let type = json["event_type"]?.string,
            let resource = json["resource"].flatMap({ WeChatPayResource($0) })
        else { throw .malformed }
        guard let cipher = try? WeChatPayCipher(apiV3Key: apiV3Key), let plain = try? cipher.open(resource) else {
            throw .undecryptable
        }
        guard let content = try? JSON(parsing: plain) else { throw .malformed }
        return Content(notificationID: id, eventType: type, resource: content)
    }
}

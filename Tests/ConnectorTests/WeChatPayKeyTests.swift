import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Synchronization
import Testing

/// Both key modes at the same time, certificates that change, the second host, and callbacks that must be refused.
@Suite struct WeChatPayKeyTests {
    typealias World = WeChatPayWorld

    /// A clock that a test moves.
    final class TestClock: Sendable {
        let offset = Mutex(Duration.zero)
        @Sendable func now() -> Instant { SimulatorClock.realNow() + offset.withLock { $0 } }
        func advance(_ duration: Duration) { offset.withLock { $0 += duration } }
    }

    @Test func `with no key of WeChat's configured the certificates are downloaded once and then used`() async throws {
        try await World.with { world in
            let channel = try world.connector { $0.platformKeys = [] }
            _ = try answered(await channel.pay(world.order("CERTS001")))
            // From now on a download would fail; nobody tries.
            try await world.fault("certificates", "drop", [.init("count", 9)])
            _ = try answered(await channel.pay(world.order("CERTS002")))
            #expect(try await world.control("GET", "/faults")["faults"]?.array?.first?["count"]?.integer == 9)
        }
    }

    @Test func `a download that another key encrypted is not believed`() async throws {
        try await World.with { world in
            let channel = try world.connector {
                $0.platformKeys = []
                $0.apiV3Key = "another0another0another0another0"
            }
            #expect(doubt(await channel.pay(world.order("CERTS003"))) == .badSignature)
        }
    }

    @Test func `a download signed by nobody we get from it is not believed`() async throws {
        try await World.with { world in
            for fault in ["unsigned", "bad_signature", "stale_timestamp", "probe", "html"] {
                let channel = try world.connector { $0.platformKeys = [] }
                try await world.fault("certificates", fault, [.init("executed", true)])
                #expect(doubt(await channel.pay(world.order("CERTS004"))) == .badSignature, "\(fault)")
            }
        }
    }

    @Test func `certificates change while several count, and a retired one counts no more after the hour`() async throws
    {
        try await World.with { world in
            let clock = TestClock()
            let certificates = WeChatPayCertificates()
            let channel = try world.connector({ $0.platformKeys = [] }, certificates: certificates)
            _ = try answered(await channel.pay(world.order("ROTATE01")))
            let old = try #require(try await world.control("POST", "/certificates", [:])["signs_with"]?.string)
            let new = try #require(
                try await world.control("POST", "/certificates", ["add": true])["added"]?.string)
            // The old one signs still.
            _ = try answered(await channel.queryPayment(serial: "ROTATE01"))
            try await world.control("POST", "/certificates", ["sign_with": .string(new)])
            // A minute must pass between downloads; then the unknown serial brings the new list at once.
            #expect(doubt(await channel.queryPayment(serial: "ROTATE01")) == .badSignature)
            clock.advance(.seconds(61))
            let later = try world.connector(
                { $0.platformKeys = [] }, certificates: certificates, clock: clock.now)
            _ = try answered(await later.queryPayment(serial: "ROTATE01"))
            // Both count: what is still on its way under the old one is believed.
            try await world.control("POST", "/certificates", ["sign_with": .string(old)])
            _ = try answered(await later.queryPayment(serial: "ROTATE01"))
            try await world.control("POST", "/certificates", ["sign_with": .string(new), "retire": .string(old)])
            _ = try answered(await later.queryPayment(serial: "ROTATE01"))
        }
    }

    @Test func `a list that cannot be had now is not given as if it were new`() async throws {
        try await World.with { world in
            let clock = TestClock()
            let channel = try world.connector({ $0.platformKeys = [] }, clock: clock.now)
            let first = try #require(await channel.refreshedCertificates())
            #expect(
                first.map(\.key.serial) == [try #require(world.link.platformKeys.first { !$0.isPublicKey }?.serial)])
            try await world.fault("certificates", "drop", [.init("count", 9)])
            // Within the minute it is new enough, and nobody asks.
            #expect(await channel.refreshedCertificates() == first)
            #expect(try await world.control("GET", "/faults")["faults"]?.array?.first?["count"]?.integer == 9)
            clock.advance(.seconds(61))
            #expect(await channel.refreshedCertificates() == nil)
            try await world.control("DELETE", "/faults")
            #expect(await channel.refreshedCertificates() == nil)
            clock.advance(.seconds(61))
            #expect(await channel.refreshedCertificates() == first)
        }
    }

    @Test func `certificates are needed unless nothing but the public key is configured`() async throws {
        try await World.with { world in
            let kinds: [(isUsed: Bool, keep: @Sendable (WeChatPayLink.PlatformKey) -> Bool)] = [
                (true, { _ in true }), (true, { !$0.isPublicKey }), (true, { _ in false }), (false, { $0.isPublicKey }),
            ]
            for (isUsed, keep) in kinds {
                let channel = try world.connector { $0.platformKeys = $0.platformKeys.filter(keep) }
                #expect(channel.usesCertificates == isUsed)
            }
        }
    }

    @Test func `the public key and certificates work side by side for one platform`() async throws {
        try await World.with(registering: [.init("callbacks_signed_by", "certificate")]) { world in
            // Only the public key is configured; callbacks still come under a certificate.
            let channel = try world.connector { $0.platformKeys = $0.platformKeys.filter(\.isPublicKey) }
            _ = try answered(await channel.pay(world.order("MIXED001")))
            try await world.control("POST", "/pay", ["mchid": .string(World.mchid), "out_trade_no": "MIXED001"])
            let request = try #require(world.inbox.requests(to: "/callback").first)
            #expect(request.header("Wechatpay-Serial")?.hasPrefix("PUB_KEY_ID_") == false)
            let found = try await channel.verifyCallback(headers: request.headers, body: request.body)
            #expect(found.eventType == "TRANSACTION.SUCCESS")
            // A serial that nobody has does not make us call again within the minute.
            let forged = request.headers.map {
                $0.name == "wechatpay-serial" ? (name: $0.name, value: "ABCDEF0123456789") : $0
            }
            await #expect(throws: WeChatPayCallback.Rejection.signature(.unknownSerial)) {
                _ = try await channel.verifyCallback(headers: forged, body: request.body)
            }
        }
    }

    @Test func `a callback is refused by its reason`() async throws {
        try await World.with { world in
            try await world.paid("REFUSE01")
            let request = try #require(world.inbox.requests(to: "/callback").first)
            let now = SimulatorClock.realNow()
            func rejection(
                _ headers: [(name: String, value: String)], _ body: [UInt8], _ link: WeChatPayLink? = nil,
                at time: Instant? = nil
            ) -> WeChatPayCallback.Rejection? {
                do throws(WeChatPayCallback.Rejection) {
                    _ = try WeChatPayCallback.verify(
                        headers: headers, body: body, link: link ?? world.link, now: time ?? now)
                    return nil
                } catch { return error }
            }
            func changed(_ name: String, _ value: String) -> [(name: String, value: String)] {
                request.headers.map { $0.name == name ? (name: name, value: value) : $0 }
            }
            #expect(rejection(request.headers, request.body) == nil)
            let certificate = try #require(world.link.platformKeys.first { !$0.isPublicKey }?.serial)
            #expect(rejection(changed("wechatpay-signature", "AAAA"), request.body) == .signature(.badSignature))
            #expect(rejection(changed("wechatpay-nonce", "other"), request.body) == .signature(.badSignature))
            #expect(rejection(changed("wechatpay-serial", certificate), request.body) == .signature(.badSignature))
            #expect(rejection(changed("wechatpay-serial", "PUB_KEY_ID_0"), request.body) == .signature(.unknownSerial))
            #expect(
                rejection(changed("wechatpay-signature", "WECHATPAY/SIGNTEST/AAAA"), request.body) == .signature(.probe)
            )
            #expect(rejection(request.headers, request.body, at: now + .seconds(400)) == .signature(.stale))
            #expect(rejection(request.headers, request.body, at: now - .seconds(400)) == .signature(.stale))
            // The same JSON, written again.
            let again = try JSON(parsing: request.body).text.replacing(":", with: ": ")
            #expect(rejection(request.headers, Array(again.utf8)) == .signature(.badSignature))
            // Another platform has other keys.
            var other = world.link
            other.platformKeys = [.init(serial: "PUB_KEY_ID_1", pem: try World.fixture("wx_pubkey.pub.pem"))]
            #expect(rejection(request.headers, request.body, other) == .signature(.unknownSerial))
            // Signed well, but its tag is cut off.
            let sealed = try #require(try JSON(parsing: request.body)["resource"]?["ciphertext"]?.string)
            let cut = String(decoding: request.body, as: UTF8.self).replacing(sealed, with: String(sealed.dropLast(8)))
            #expect(throws: Doubt(.badSignature, "callback")) { try world.channel.notice(in: Array(cut.utf8)) }
        }
    }

    @Test func `probes are answered with an error`() async throws {
        try await World.with { world in
            // The platform here takes everything; that the answer is heard of is what counts.
            let answer = try await world.control(
                "POST", "/probe", ["merchant": .string(World.mchid), "url": .string(world.callbackURL)])
            #expect(answer["status"]?.integer == 204)
            let request = try #require(world.inbox.requests(to: "/callback").first)
            await #expect(throws: WeChatPayCallback.Rejection.signature(.probe)) {
                _ = try await world.channel.verifyCallback(headers: request.headers, body: request.body)
            }
        }
    }

    @Test(arguments: ["unreachable", "system_error", "bad_gateway"])
    func `when the first host is out of order the second gets the same number`(_ trouble: String) async throws {
        try await World.with { world in
            let channel = try world.connector {
                $0.backupBaseURL = $0.baseURL
                if trouble == "unreachable" { $0.baseURL = "http://127.0.0.1:9" }
            }
            if trouble != "unreachable" { try await world.fault("pay", trouble, [.init("executed", true)]) }
            _ = try answered(await channel.pay(world.order("SECOND01")))
            let orders = try await world.control("GET", "/merchants/\(World.mchid)")["orders"]?.array
            #expect(orders?.count == 1)
            // A timeout is no reason: it may still be under way.
            try await world.fault("pay", "drop_answer")
            #expect(doubt(await channel.pay(world.order("SECOND02"))) == .noAnswer)
        }
    }

    @Test(arguments: [
        ("html", Doubt.Reason.badSignature), ("empty_answer", .malformedAnswer), ("unknown_state", .malformedAnswer),
        ("other_merchant", .malformedAnswer), ("probe", .badSignature),
    ])
    func `an answer that says nothing of the order has a name`(_ fault: String, _ reason: Doubt.Reason) async throws {
        try await World.with { world in
            try await world.paid("NOTHING1")
            try await world.fault("query", fault)
            #expect(doubt(await world.channel.queryPayment(serial: "NOTHING1")) == reason)
            _ = try answered(await world.channel.refund(world.refund("NR1", of: "NOTHING1", 5)))
            try await world.fault("query_refund", fault)
            #expect(doubt(await world.channel.queryRefund(serial: "NR1", paymentSerial: "NOTHING1")) == reason)
        }
    }

    @Test func `a picture is handed in by its hash, and what WeChat would not take is not sent`() async throws {
        try await World.with { world in
            let picture: [UInt8] = [0xFF, 0xD8, 0xFF, 0x0D, 0x0A, 0x2D, 0x2D] + Array(repeating: 7, count: 5000)
            let id = try answered(await world.channel.uploadMedia(fileName: "执照 a.jpg", content: picture))
            #expect(id.contains(WeChatPayMediaUpload.sha256(picture)))
            #expect(
                refusalCode(await world.channel.uploadMedia(fileName: "a.gif", content: picture))
                    == "MEDIA_NOT_SUPPORTED")
            #expect(
                refusalCode(await world.channel.uploadMedia(fileName: "a.jpg", content: [])) == "MEDIA_NOT_SUPPORTED")
            let long = [UInt8](repeating: 1, count: WeChatPayMediaUpload.pictureLimit + 1)
            #expect(
                refusalCode(await world.channel.uploadMedia(fileName: "a.png", content: long)) == "MEDIA_NOT_SUPPORTED")
            _ = try answered(await world.channel.uploadMedia(fileName: "a.pdf", content: long))
        }
    }

    @Test func `refusals say what they mean for their number`() async throws {
        try await World.with { world in
            try await world.paid("STAND001")
            let cases: [(String, Int64, Refusal.Standing)] = [
                ("NOT_ENOUGH", 403, .forNow(retryAfter: .seconds(1800))), ("PARAM_ERROR", 400, .final),
                ("RULE_LIMIT", 403, .forNow(retryAfter: .seconds(1800))), ("A_NEW_CODE", 400, .final),
                ("FREQUENCY_LIMITED", 400, .forNow(retryAfter: .seconds(60))),
            ]
            for (code, status, standing) in cases {
                try await world.fault(
                    "refund", "refuse", [.init("code", .string(code)), .init("status", JSON(status))])
                guard case .refused(let refusal) = await world.channel.refund(world.refund("S1", of: "STAND001", 5))
                else {
                    Issue.record("\(code) was not refused")
                    continue
                }
                #expect(refusal.code == code && refusal.standing == standing)
            }
            _ = try answered(await world.channel.refund(world.refund("S1", of: "STAND001", 5)))
            guard case .refused(let taken) = await world.channel.refund(world.refund("S1", of: "STAND001", 6)) else {
                Issue.record("other content was not refused")
                return
            }
            #expect(taken.standing == .numberTaken)
        }
    }
}

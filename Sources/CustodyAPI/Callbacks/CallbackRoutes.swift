import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes
import Logging

/// What channels and bank tell us (异步通知): verified over the raw bytes, stored as it came, acknowledged; never processed here.
struct CallbackRoutes {
    let trail: RefusalTrail
    let logger: Logger
    private let store: Store
    private let links: LinkCache
    /// Callbacks that arrive together share a commit.
    private let inbox: Batcher<NewCallback, Void>

    init(store: Store, trail: RefusalTrail, logger: Logger) {
        self.store = store
        self.trail = trail
        self.logger = logger
        links = LinkCache(store: store)
        inbox = Batcher(capacity: 32) { callbacks, tenantID in
            try await store.withTenant(tenantID) { $0.receive(callbacks) }
            return callbacks.map { _ in .success(()) }
        }
    }

    var routes: [Route] {
        Counterparty.allCases.map { counterparty in
            Route(.post, "/callbacks/\(counterparty.rawValue)/{token}", .open) { call in
                try await receive(call, from: counterparty)
            }
        }
    }

    private func receive(_ call: Call, from counterparty: Counterparty) async throws -> Reply {
        let stranger = Principal(name: "nobody", origin: call.origin, requestID: call.requestID)
        guard let known = try await links.entry(of: call.parameters["token"] ?? "", counterparty) else {
            trail.note("refused.callback_address", on: counterparty.rawValue, of: nil, by: stranger)
            throw Rejection.notFound
        }
        guard known.sources.isEmpty || known.sources.contains(where: { $0.contains(call.origin) }) else {
            trail.note("refused.callback_source", on: counterparty.rawValue, of: known.tenantID, by: stranger)
            throw Rejection.notFound
        }
        let now = known.now
        let message: (id: String, kind: String)
        do {
            message = try verified(call, known.link, at: now)
            // What is longer than any of theirs has no room in the index that keeps repeats out.
            guard message.id.utf8.count <= 512, message.kind.utf8.count <= 128 else {
                throw CallbackRefusal.malformedBody
            }
        } catch {
            // A closed list of words; the message itself is not to be logged.
            guard let refusal = CallbackRefusal(error) else { throw error }
            logger.warning(
                "callback refused",
                metadata: [
                    "request_id": "\(call.requestID)", "tenant": "\(known.tenantID.text)",
                    "counterparty": "\(counterparty.rawValue)", "reason": "\(refusal.rawValue)",
                ])
            if refusal == .unknownSerial, case .weChatPay = known.link {
                // A certificate may be new: WeChat repeats the callback, and then it is known.
                try await store.withTenant(known.tenantID) { _ = try await $0.hastenRefreshing() }
            }
            trail.note(
                "refused.callback", on: "\(counterparty.rawValue): \(refusal.rawValue)", of: known.tenantID,
                by: stranger)
            return CallbackRoutes.refusal(to: known.link)
        }
        try await inbox.add(
            NewCallback(
                counterparty: counterparty, notificationID: message.id, kind: message.kind,
                headers: CallbackRoutes.kept(call.headers).text, body: call.body),
            for: known.tenantID)
        return CallbackRoutes.acknowledgement(to: known.link, of: call.body, at: now)
    }

    /// Checks that the counterparty wrote it, now, for this platform.
    private func verified(
        _ call: Call, _ link: LinkCache.Link, at now: Instant
    ) throws -> (id: String, kind: String) {
        let headers = call.headers.map { (name: $0.name.rawName, value: $0.value) }
        switch link {
        case .weChatPay(let verifier):
            guard let verifier else { throw CallbackRefusal.unusableLink }
            let found = try WeChatPayCallback.verify(headers: headers, body: call.body, verifier: verifier, now: now)
            return (found.notificationID, found.eventType)
        case .alipay(let link, let keys):
            guard let keys else { throw AlipayNotify.Rejection.unusableKey }
            let found = try AlipayNotify.verify(body: call.body, link: link, keys: keys)
            return (found.notifyID, found.kind)
        case .cwp1(let link):
            let found = try CWP1Notification.verify(
                method: call.method.rawValue, path: call.path, headers: headers.map { ($0.name, $0.value) },
                body: call.body, link: link, now: now)
            return (found.notifyID, found.txnCode)
        case .ccb(let link):
            let found = try CCBMessage.verify(method: call.method.rawValue, body: call.body, link: link)
            return (found.notifyID, found.kind)
        }
    }

    /// The header fields that prove who wrote it; nothing else is kept.
    private static func kept(_ headers: HTTPFields) -> JSON {
        .object(
            headers.reduce(into: [JSON.Member]()) { members, field in
                let name = field.name.canonicalName
                guard name.hasPrefix("wechatpay-") || name.hasPrefix("x-cust-") || name == "content-type",
                    !members.contains(where: { $0.name == name }), field.value.utf8.count <= 4096,
                    !field.value.utf8.contains(0)
                else { return }
                members.append(JSON.Member(name, .string(field.value)))
            })
    }

    /// What stops each from sending it again.
    private static func acknowledgement(to link: LinkCache.Link, of body: [UInt8], at now: Instant) -> Reply {
        switch link {
        case .weChatPay: Reply(status: .noContent, contentType: nil, body: [])
        case .alipay: Reply(status: .ok, contentType: "text/plain", body: Array(AlipayNotify.acknowledgement.utf8))
        case .cwp1: Reply(status: .ok, contentType: Reply.json, body: CWP1Notification.acknowledgement(at: now))
        case .ccb: Reply(status: .ok, contentType: Reply.json, body: CCBMessage.acknowledgement(of: body, at: now))
        }
    }

    /// What each understands as refused.
    private static func refusal(to link: LinkCache.Link) -> Reply {
        switch link {
        case .weChatPay: Reply(.unauthorized, ["code": "FAIL", "message": "the signature was not accepted"])
        case .alipay: Reply(status: .badRequest, contentType: "text/plain", body: Array("failure".utf8))
        case .cwp1:
            Reply(.badRequest, ["head": ["retCode": "100002", "retMsg": "the signature was not accepted"]])
        case .ccb: Reply(.badRequest, ["Svc_Rsp_St": "01", "Rsp_Inf": "the signature was not accepted"])
        }
    }
}

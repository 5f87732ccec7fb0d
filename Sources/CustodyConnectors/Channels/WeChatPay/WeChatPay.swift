import CustodyDomain
import CustodyWire

/// WeChat Pay (微信支付 APIv3), for a direct merchant or for a sub-merchant of a partner.
///
/// Answers count only when their signature verifies; bill downloads, which WeChat does not sign, by their hash.
/// A request is sent a second time only to WeChat's other host, under the same number, when the first is out of order.
public struct WeChatPay: Channel {
    let link: WeChatPayLink
    let exchange: WeChatPayExchange
    private let clock: @Sendable () -> Instant

    /// Makes a connector of a platform's link.
    ///
    /// - Parameters:
    ///   - certificates: The process's downloaded platform certificates; connectors of one process share them.
    ///   - clock: Real time, for the timestamps of signatures.
    /// - Throws: When a key of the link cannot be used.
    public init(
        link: WeChatPayLink, outbound: Outbound, certificates: WeChatPayCertificates = WeChatPayCertificates(),
        clock: @escaping @Sendable () -> Instant
    ) throws(WeChatPayKeyError) {
        self.link = link
        self.clock = clock
        exchange = try WeChatPayExchange(link: link, certificates: certificates, outbound: outbound, clock: clock)
        // A key that cannot decrypt would be noticed at the first callback only.
        _ = try WeChatPayCipher(apiV3Key: link.apiV3Key)
    }

    private init(_ link: WeChatPayLink, _ exchange: WeChatPayExchange, _ clock: @escaping @Sendable () -> Instant) {
        self.link = link
        self.exchange = exchange
        self.clock = clock
    }

    /// The same connector, for the payments of one sub-merchant.
    func serving(_ subMchid: String) -> WeChatPay { WeChatPay(link.serving(subMchid), exchange, clock) }

    /// WeChat Pay.
    public var kind: ChannelKind { .weChatPay }

    /// Whether WeChat may sign with certificates that are to be downloaded.
    public var usesCertificates: Bool { link.usesCertificates }

    /// WeChat's certificates, asked for now unless that was done within the minute; nil when they cannot be had.
    public func refreshedCertificates() async -> [WeChatPayCertificate]? { await exchange.refreshedCertificates() }

    /// Verifies a callback with all keys there are: the configured ones and the downloaded certificates, renewed when it
    /// names one that is not known.
    ///
    /// - Returns: The notification's id and event type, to store it under.
    public func verifyCallback(
        headers: [(name: String, value: String)], body: [UInt8]
    ) async throws(WeChatPayCallback.Rejection) -> (notificationID: String, eventType: String) {
        let known = await exchange.verifier(isUrgent: nil)
        do throws(WeChatPayCallback.Rejection) {
            return try WeChatPayCallback.verify(headers: headers, body: body, verifier: known, now: clock())
        } catch {
            guard error == .signature(.unknownSerial) || error == .signature(.expired),
                WeChatPayVerifier.serial(in: headers)?.hasPrefix("PUB_KEY_ID_") == false
            else { throw error }
            let renewed = await exchange.verifier(isUrgent: true)
            return try WeChatPayCallback.verify(headers: headers, body: body, verifier: renewed, now: clock())
        }
    }

    /// Places an order (下单) by `/v3/pay[/partner]/transactions/{native|jsapi|h5|app}`.
    ///
    /// The same serial with the same content may be sent again and gives a usable prompt again.
    public func pay(_ order: ChannelOrder) async -> Reply<PaymentPrompt> {
        guard order.method.channels.contains(.weChatPay) else {
            return .refused(Refusal(code: "METHOD_NOT_SUPPORTED", message: "WeChat Pay has no such payment method"))
        }
        var body = parties(withApps: true)
        body += [
            .init("description", .string(order.description)), .init("out_trade_no", .string(order.serial)),
            .init("time_expire", .string(order.expiresAt.rfc3339Shanghai)),
            .init("notify_url", .string(order.callbackURL)),
            .init("amount", ["total": JSON(order.amount.value), "currency": "CNY"]),
        ]
        if link.partner?.sharesProfit == true { body.append(.init("settle_info", ["profit_sharing": true])) }
        if order.method == .jsapi {
            guard let payer = order.payerID else {
                return .refused(Refusal(code: "PARAM_ERROR", message: "jsapi needs the buyer's openid"))
            }
            let name = link.partner == nil ? "openid" : link.partner?.subAppid == nil ? "sp_openid" : "sub_openid"
            body.append(.init("payer", .object([.init(name, .string(payer))])))
        }
        if order.method == .h5 {
            // Required there; the buyer's own address does not reach us, since the platform's server asks.
            body.append(.init("scene_info", ["payer_client_ip": "127.0.0.1", "h5_info": ["type": "Wap"]]))
        }
        let path = "\(transactions)/\(order.method.rawValue)"
        return await exchange.call("POST", path, body: JSON.object(body).bytes)
            .reading { answer throws(Doubt) in try prompt(of: answer, order.method) }
    }

    /// Asks what became of a payment, by our number; an order WeChat does not have is `absent`.
    public func queryPayment(serial: String) async -> Reply<ChannelPayment> {
        await exchange.call("GET", "\(transactions)/out-trade-no/\(PercentEncoding.encoded(serial))?\(partyQuery)")
            .reading(orAbsent: .absent) { answer throws(Doubt) in
                guard answer["out_trade_no"]?.string == serial, isOurs(answer) else {
                    throw Doubt(.malformedAnswer, "the answer is about another order")
                }
                guard let payment = ChannelPayment(weChatPay: answer) else {
                    throw Doubt(.malformedAnswer, "a payment that cannot be read")
                }
                return payment
            }
    }

    /// Closes an unpaid payment. A paid one is refused (`ORDERPAID`): ask what became of it.
    public func closePayment(serial: String) async -> Reply<ChannelPayment> {
        let path = "\(transactions)/out-trade-no/\(PercentEncoding.encoded(serial))/close"
        let outcome = await exchange.call("POST", path, body: JSON.object(parties(withApps: false)).bytes)
        if case .error(let refusal) = outcome, refusal.isAny("ORDERCLOSED", "ORDER_CLOSED") {
            return .answered(.closed)
        }
        return outcome.reading(orAbsent: .absent) { _ throws(Doubt) in .closed }
    }

    private var transactions: String { link.partner == nil ? "/v3/pay/transactions" : "/v3/pay/partner/transactions" }

    /// Who asks, and for whom.
    private func parties(withApps: Bool) -> [JSON.Member] {
        guard let partner = link.partner else {
            return (withApps ? [.init("appid", .string(link.appid))] : []) + [.init("mchid", .string(link.mchid))]
        }
        var members: [JSON.Member] = withApps ? [.init("sp_appid", .string(link.appid))] : []
        members.append(.init("sp_mchid", .string(link.mchid)))
        if withApps, let subAppid = partner.subAppid { members.append(.init("sub_appid", .string(subAppid))) }
        members.append(.init("sub_mchid", JSON(partner.subMchid)))
        return members
    }

    private var partyQuery: String {
        let mchid = PercentEncoding.encoded(link.mchid)
        guard let partner = link.partner else { return "mchid=\(mchid)" }
        return "sp_mchid=\(mchid)&sub_mchid=\(PercentEncoding.encoded(partner.subMchid ?? ""))"
    }

    /// Whether an order, answered or called back, is of this merchant, and of this sub-merchant.
    func isOurs(_ order: JSON) -> Bool {
        guard let partner = link.partner else { return order["mchid"]?.string == link.mchid }
        return order["sp_mchid"]?.string == link.mchid
            && (partner.subMchid == nil || order["sub_mchid"]?.string == partner.subMchid)
    }

    /// Reads what the front end needs.
    func prompt(of answer: JSON, _ method: PaymentMethod) throws(Doubt) -> PaymentPrompt {
        let malformed = Doubt(.malformedAnswer, "no \(method.rawValue) prompt")
        switch method {
        case .native:
            guard let code = answer["code_url"]?.string else { throw malformed }
            return .code(code)
        case .h5:
            guard let url = answer["h5_url"]?.string else { throw malformed }
            return .url(url)
        case .jsapi, .app:
            guard let prepayID = answer["prepay_id"]?.string else { throw malformed }
            let (now, nonce) = (clock(), WeChatPayRequestSigner.freshNonce())
            let parameters =
                method == .app
                ? try? exchange.signer.appParameters(prepayID: prepayID, now: now, nonce: nonce)
                : try? exchange.signer.jsapiParameters(prepayID: prepayID, now: now, nonce: nonce)
            guard let parameters else { throw malformed }
            return .parameters(parameters)
        case .precreate, .page, .wap: throw malformed
        }
    }
}

import CustodyDomain
import CustodyWire

/// WeChat Pay's own custody for e-commerce platforms (电商收付通): the channel collects, and keeps every seller's money.
///
/// Sub-accounts are sub-merchants' numbers (`sub_mchid`), the commission's account is the platform's own number. An order
/// is always a combined one (合单), a part per payee: its number alone then finds the parts and their payments. What is
/// instructed goes under our business number, since WeChat keeps no numbers of instructions; outcomes are asked for by
/// ``query(_:serial:sentOn:about:)``.
public struct WeChatEcommerce: Custodian {
    /// Why a link cannot be used.
    public enum LinkError: Error, Hashable, Sendable {
        /// A key of it cannot be used.
        case key(WeChatPayKeyError)
        /// It is not an e-commerce platform's.
        case notEcommerce
    }

    /// What 收付通 can do.
    public let capabilities: Capabilities
    let link: WeChatPayLink
    let pay: WeChatPay
    /// Where WeChat calls back about everything.
    let callbackURL: String

    /// Makes a custodian of a platform's link.
    ///
    /// - Parameters:
    ///   - certificates: The process's downloaded platform certificates; connectors of one process share them.
    ///   - clock: Real time, for the timestamps of signatures.
    public init(
        link: WeChatPayLink, callbackURL: String, outbound: Outbound,
        certificates: WeChatPayCertificates = WeChatPayCertificates(), clock: @escaping @Sendable () -> Instant
    ) throws(LinkError) {
        guard link.partner?.kind == .ecommerce else { throw .notEcommerce }
        var link = link
        link.partner?.subMchid = nil
        self.link = link
        self.callbackURL = callbackURL
        do throws(WeChatPayKeyError) {
            pay = try WeChatPay(link: link, outbound: outbound, certificates: certificates, clock: clock)
        } catch { throw .key(error) }
        capabilities = WeChatEcommerce.offered
    }

    private static let offered = Capabilities(
        name: "WeChat Pay e-commerce",
        operations: [
            .openSubMerchant, .resubmitSubMerchant, .querySubMerchant, .closeSubMerchant, .uploadMaterial, .bindAccount,
            .changeAccount, .addReceiver, .removeReceiver, .collect, .queryCollection, .closeCollection, .queryOrder,
            .refund, .confirmSettlement, .split, .reverseSplit, .querySplit, .withdraw, .queryBalance,
            .queryDayEndBalance, .fetchFile, .query,
        ],
        collector: .custodian, signer: .platform, splitTimings: [.later, .onConfirmation], confirmsPartially: false,
        refundSources: [.held, .available, .platformAdvance], withdrawalSpeeds: [.sameDay],
        // Its files are the channel's own bills, which are planned and fetched as such.
        verifications: [.remittance, .none], deliveries: [.push, .poll], fileKinds: [],
        limits: Capabilities.Limits(
            partsPerOrder: 50, itemsPerSplit: 50, splitsPerOrder: 50, refundsPerOrder: 50, splitShareBasisPoints: 3000,
            materialBytes: WeChatPayMediaUpload.pictureLimit),
        deadlines: Capabilities.Deadlines(
            cutOff: .seconds(24 * 3600), fundedBy: .zero, splitDays: 180, filesBy: .seconds(10 * 3600)),
        numbers: Capabilities.Numbers(
            serialLength: 32, businessLength: 26, alphanumericOnly: true, isOneSpace: false),
        notifySchedule: [
            15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10_800, 10_800, 10_800, 21_600, 21_600,
        ].map { .seconds($0) },
        testGaps: ["WeChat Pay has no test environment for 收付通: use the simulator"])

    /// A part of an order, as WeChat knows it: an order of one payee's.
    struct Part {
        /// Its place in the order, from 0, and how many there are.
        let index: Int
        let count: Int
        let subMchid: String
        let outTradeNo: String
        let amount: Fen
        let payment: ChannelPayment
    }

    /// The parts of an order; nil when WeChat does not have it.
    func parts(of orderNumber: String) async -> Reply<[Part]?> {
        switch await pay.queryCombined(serial: orderNumber) {
        case .answered(nil): return .answered(nil)
        case .answered(.some(let combined)):
            do throws(Doubt) { return .answered(try WeChatEcommerce.parts(of: combined)) } catch {
                return .unknown(error)
            }
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    /// The parts of an order that is paid, or why nothing can be done with it.
    func paidParts(of orderNumber: String) async -> Reply<[Part]> {
        switch await parts(of: orderNumber) {
        case .answered(let parts?) where parts.allSatisfy({ $0.payment.state == .succeeded }): return .answered(parts)
        case .answered(.some):
            return .refused(
                Refusal(
                    code: "ORDER_NOT_PAID", message: "the order is not paid",
                    standing: .forNow(retryAfter: .seconds(60))))
        case .answered(nil): return .refused(Refusal(code: "ORDER_NOT_EXIST", message: "WeChat has no such order"))
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    /// The number of what an instruction does to one part of an order: its own where there is only one.
    static func number(_ number: String, _ part: Part) -> String {
        part.count == 1 ? number : "\(number)-\(part.index + 1)"
    }

    /// Divides an amount in proportion to weights, to the fen: what is left over goes to the first.
    static func apportioned(_ amount: Fen, by weights: [Fen]) -> [Fen] {
        let total = weights.sum().value
        guard total > 0 else { return weights.indices.map { $0 == 0 ? amount : .zero } }
        var shares = weights.map { weight in
            // The product may not fit 64 bits.
            let product = amount.value.multipliedFullWidth(by: weight.value)
            return Fen(total.dividingFullWidth(product).quotient)
        }
        var rest = (amount - shares.sum()).value
        for index in shares.indices where rest > 0 && weights[index] > .zero {
            shares[index] += Fen(1)
            rest -= 1
        }
        return shares
    }

    /// One result of several calls: as far as the slowest is, and failed as soon as one is.
    static func combined(_ results: [CustodianResult]) -> CustodianResult {
        func rank(_ state: CustodianResult.State) -> Int {
            switch state {
            case .failed: 4
            case .absent: 3
            case .processing: 2
            case .returned: 1
            case .succeeded: 0
            }
        }
        let worst = results.max { rank($0.state) < rank($1.state) }
        return CustodianResult(
            state: worst?.state ?? .absent(safeAfter: nil),
            bankNumber: results.count == 1 ? results[0].bankNumber : worst?.bankNumber, bankDate: nil)
    }

    /// Makes several calls, in order, and stops at the first that does not go well.
    ///
    /// What went well before cannot be taken back: the outcome is then unknown, and sending all of it again is right.
    static func all<Item>(
        _ items: [Item], _ call: (Item) async -> Reply<CustodianResult>
    ) async -> Reply<CustodianResult> {
        var results: [CustodianResult] = []
        for (index, item) in items.enumerated() {
            switch await call(item) {
            case .answered(let result): results.append(result)
            case .refused(let refusal):
                guard results.isEmpty else {
                    return .unknown(Doubt(.systemError, "call \(index + 1) of \(items.count): \(refusal.code)"))
                }
                return .refused(refusal)
            case .unknown(let doubt): return .unknown(doubt)
            }
        }
        return .answered(combined(results))
    }
}

extension JSON {
    /// A string that must be there.
    func required(_ name: String) throws(Doubt) -> String {
        guard let text = self[name]?.string, !text.isEmpty else { throw Doubt(.malformedAnswer, "no \(name)") }
        return text
    }
}

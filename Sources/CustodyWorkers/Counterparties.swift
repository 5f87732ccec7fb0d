import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Synchronization

/// The connectors of each tenant, made from its links and kept for a few seconds.
public final class Counterparties: Sendable {
    /// How a tenant reaches a channel, and what was agreed with it.
    public struct ChannelAccess: Sendable {
        /// The connector.
        public let channel: any Channel
        /// Our merchant number there, as its callbacks name it.
        public let merchantNumber: String
        /// The agreed fee; nil leaves fees unchecked.
        public let feeBasisPoints: Int?
    }

    /// How a tenant reaches its custodian.
    public struct CustodianAccess: Sendable {
        /// The connector.
        public let custodian: any Custodian
        /// The account there that takes the platform's commission.
        public let commissionAccount: String
        /// Under which name the custodian knows that account's holder, where it asks for one.
        let commissionHolder: String?
        /// The agreed fee of what it collects itself; nil leaves fees unchecked.
        public let feeBasisPoints: Int?
        /// Whom it is known to pay splits out to.
        let receivers: KnownReceivers
    }

    private enum Access: Sendable {
        case channel(ChannelAccess)
        case custodian(CustodianAccess)
    }

    private struct Entry: Sendable {
        let access: Access
        let madeAt: ContinuousClock.Instant
    }

    private struct Key: Hashable {
        let tenant: ID<Tenant>
        let counterparty: Counterparty
    }

    private static let lifetime = Duration.seconds(5)

    /// Where channels and custodians call back when nothing else is said.
    public static let localCallbackBaseURL = "http://127.0.0.1:8080/callbacks"

    private let lines: OutboundLines
    private let callbackBaseURL: String
    /// Platform certificates outlive the connectors that downloaded them.
    private let certificates = WeChatPayCertificates()
    private let entries = Mutex<[Key: Entry]>([:])
    /// By tenant and custodian: they outlive connectors, too.
    private let receivers = Mutex<[String: KnownReceivers]>([:])

    /// Makes connectors that call out through these lines.
    ///
    /// - Parameter callbackBaseURL: Where channels and custodians call back: `<base>/<counterparty>/<token>`.
    public init(lines: OutboundLines, callbackBaseURL: String = Counterparties.localCallbackBaseURL) {
        self.lines = lines
        self.callbackBaseURL = callbackBaseURL
    }

    /// Where a tenant's counterparty calls back.
    func callbackURL(of counterparty: Counterparty, in transaction: TenantTransaction) -> String {
        "\(callbackBaseURL)/\(counterparty.rawValue)/\(transaction.callbackToken)"
    }

    /// Who collects a payment: the channel itself, or the custodian in its place.
    func channel(of payment: PaymentRecord, in transaction: TenantTransaction) async throws -> any Channel {
        try await channel(payment.channel, through: payment.collector, in: transaction)
    }

    /// The channel, or the custodian that collects in its place.
    func channel(
        _ kind: ChannelKind, through collector: Counterparty, in transaction: TenantTransaction
    ) async throws -> any Channel {
        guard collector == .bank else { return try await channel(kind, in: transaction).channel }
        return CustodianChannel(
            kind, of: try await custodian(in: transaction).custodian, clock: WallClock.now)
    }

    /// The connector of a tenant to a channel.
    ///
    /// - Parameter isFresh: Whether it must be of the link as it is now, not as it was seconds ago.
    /// - Throws: ``Rejection/linkMissing(counterparty:)``, or a decoding error when the link is not what the connector needs.
    public func channel(
        _ kind: ChannelKind, in transaction: TenantTransaction, isFresh: Bool = false
    ) async throws -> ChannelAccess {
        let access = try await access(Counterparty(kind), in: transaction, isFresh: isFresh) {
            [certificates] link, line in
            let terms = try JSONDecoder().decode(ChannelTerms.self, from: link)
            switch kind {
            case .weChatPay:
                let decoded = try JSONDecoder().decode(WeChatPayLink.self, from: link)
                return .channel(
                    ChannelAccess(
                        channel: try WeChatPay(
                            link: decoded, outbound: try line(decoded.baseURL, WeChatPay.documentedLimits),
                            certificates: certificates, clock: WallClock.now),
                        merchantNumber: decoded.mchid, feeBasisPoints: terms.feeBasisPoints
                    )
                )
            case .alipay:
                let decoded = try JSONDecoder().decode(AlipayLink.self, from: link)
                return .channel(
                    ChannelAccess(
                        channel: try Alipay(
                            link: decoded, outbound: try line(decoded.gatewayURL, []), clock: WallClock.now),
                        merchantNumber: decoded.sellerID, feeBasisPoints: terms.feeBasisPoints
                    )
                )
            }
        }
        guard case .channel(let channel) = access else { throw Rejection.linkMissing(counterparty: kind.rawValue) }
        return channel
    }

    /// The connector of a tenant to its custodian, of the dialect that its link names.
    ///
    /// - Parameter isFresh: Whether it must be of the link as it is now, not as it was seconds ago.
    /// - Throws: ``Rejection/linkMissing(counterparty:)``, or a decoding error when the link is not what the connector needs.
    public func custodian(
        in transaction: TenantTransaction, isFresh: Bool = false
    ) async throws -> CustodianAccess {
        let callbackURL = callbackURL(of: .bank, in: transaction)
        let tenant = transaction.tenantID.text
        let access = try await access(.bank, in: transaction, isFresh: isFresh) { [certificates] link, line in
            let terms = try JSONDecoder().decode(CustodianTerms.self, from: link)
            let decoded = try JSONDecoder().decode(CustodianLink.self, from: link)
            let known = receivers.withLock { all in
                let place = "\(tenant) \(decoded.baseURL)"
                let known = all[place] ?? KnownReceivers()
                all[place] = known
                return known
            }
            let custodian: any Custodian
            switch decoded {
            case .cwp1(let link):
                custodian = try CWP1Custodian(
                    link: link, outbound: try line(link.baseURL, []), clock: WallClock.now)
            case .ccb(let link):
                custodian = try CCBCustodian(link: link, outbound: try line(link.baseURL, []), clock: WallClock.now)
            case .weChatEcommerce(let link):
                custodian = try WeChatEcommerce(
                    link: link, callbackURL: callbackURL,
                    outbound: try line(link.baseURL, WeChatPay.documentedLimits), certificates: certificates,
                    clock: WallClock.now)
            case .alipayDirect(let link):
                custodian = try AlipayDirect(
                    link: link, notifyURL: callbackURL, outbound: try line(link.gatewayURL, []), clock: WallClock.now)
            }
            return .custodian(
                CustodianAccess(
                    custodian: custodian, commissionAccount: terms.commissionAccount,
                    commissionHolder: terms.commissionHolder, feeBasisPoints: terms.feeBasisPoints,
                    receivers: known))
        }
        guard case .custodian(let custodian) = access else { throw Rejection.linkMissing(counterparty: "bank") }
        return custodian
    }

    private func access(
        _ counterparty: Counterparty, in transaction: TenantTransaction, isFresh: Bool = false,
        make: (_ link: Data, _ line: (_ url: String, [Transport.RateRule]) throws -> Outbound) throws -> Access
    ) async throws -> Access {
        let key = Key(tenant: transaction.tenantID, counterparty: counterparty)
        let now = ContinuousClock.now
        if !isFresh, let entry = entries.withLock({ $0[key] }), now - entry.madeAt < Counterparties.lifetime {
            return entry.access
        }
        let link = Data(try await transaction.link(counterparty))
        let transport = try JSONDecoder().decode(Transport.Holder.self, from: link).transport
        let access = try make(link) { url, documented in
            try lines.outbound(
                of: .init(owner: key.tenant.text, counterparty: counterparty.rawValue), by: transport,
                host: URL(string: url)?.host ?? "", documented: documented
            )
        }
        entries.withLock { $0[key] = Entry(access: access, madeAt: now) }
        return access
    }
}

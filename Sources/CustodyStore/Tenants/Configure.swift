import CustodyDomain
import Postgres

/// Whom a tenant's links lead to.
public enum Counterparty: String, CaseIterable, Hashable, Sendable {
    /// WeChat Pay.
    case weChatPay = "wechat_pay"
    /// Alipay.
    case alipay
    /// The custody bank.
    case bank

    /// The counterparty of a channel.
    public init(_ channel: ChannelKind) {
        switch channel {
        case .weChatPay: self = .weChatPay
        case .alipay: self = .alipay
        }
    }

    /// The channel that it is; nil for a custodian.
    public var channel: ChannelKind? {
        switch self {
        case .weChatPay: .weChatPay
        case .alipay: .alipay
        case .bank: nil
        }
    }
}

extension TenantTransaction {
    /// Sets how a counterparty is reached; replaces what was set before.
    ///
    /// - Parameters:
    ///   - configuration: JSON with addresses, numbers and keys; stored encrypted.
    ///   - role: What a custodian does by itself; a channel's link collects for that channel, whatever is said here.
    public func setLink(
        _ counterparty: Counterparty, configuration: [UInt8], role: CustodianRole = CustodianRole()
    ) async throws {
        let sealed = try keys.seal(configuration, in: "link/\(counterparty.rawValue)", of: tenantID.uuid)
        let collects = counterparty.channel.map { [$0] } ?? role.collects.sorted { $0.rawValue < $1.rawValue }
        try await run(
            """
            INSERT INTO link (tenant_id, counterparty, configuration, collects, pays_out, updated_at)
            VALUES (
                \(tenantID), \(counterparty.rawValue), \(sealed), \(collects.map(\.rawValue)),
                \(counterparty == .bank && role.paysOut), \(now)
            )
            ON CONFLICT (tenant_id, counterparty)
            DO UPDATE SET configuration = excluded.configuration, collects = excluded.collects,
                          pays_out = excluded.pays_out, updated_at = excluded.updated_at
            """
        )
    }

    /// Through whose link buyers of a channel pay: the custodian's where it collects, or else the channel's own.
    ///
    /// - Throws: ``Rejection/linkMissing(counterparty:)``.
    public func collector(of channel: ChannelKind) async throws -> Counterparty {
        let row = try await row(
            """
            SELECT counterparty FROM link
             WHERE tenant_id = \(tenantID) AND \(channel.rawValue) = ANY (collects)
             ORDER BY counterparty = 'bank' DESC LIMIT 1
            """
        )
        guard let row else { throw Rejection.linkMissing(counterparty: channel.rawValue) }
        return try row.get("counterparty")
    }

    /// The channels whose buyers can pay.
    public func payableChannels() async throws -> Set<ChannelKind> {
        Set(
            try await rows("SELECT DISTINCT unnest(collects) AS channel FROM link WHERE tenant_id = \(tenantID)").map {
                try $0.get("channel")
            })
    }

    /// Whether the custodian pays sub-merchants out by itself.
    func custodianPaysOut() async throws -> Bool {
        try await row("SELECT pays_out FROM link WHERE tenant_id = \(tenantID) AND counterparty = 'bank'")?
            .get("pays_out") ?? false
    }

    /// How a counterparty is reached.
    ///
    /// - Throws: ``Rejection/linkMissing(counterparty:)``.
    public func link(_ counterparty: Counterparty) async throws -> [UInt8] {
        let row = try await row(
            "SELECT configuration FROM link WHERE tenant_id = \(tenantID) AND counterparty = \(counterparty.rawValue)"
        )
        guard let row else { throw Rejection.linkMissing(counterparty: counterparty.rawValue) }
        return try keys.open(
            try row.get("configuration"), in: "link/\(counterparty.rawValue)", of: tenantID.uuid
        )
    }

    /// Which counterparties have a link.
    public func linkedCounterparties() async throws -> Set<Counterparty> {
        Set(
            try await rows("SELECT counterparty FROM link WHERE tenant_id = \(tenantID)").map {
                try $0.get("counterparty")
            })
    }

    /// When matched money becomes available.
    public func settlementSchedule() async throws -> SettlementTerms {
        let row = try await row(
            """
            SELECT settlement_days, settlement_calendar, settlement_minimum_fen, withdraws_automatically
              FROM tenant WHERE id = \(tenantID)
            """
        )
        guard let row else { throw Rejection.notFound }
        return SettlementTerms(
            schedule: SettlementSchedule(
                days: try row.get("settlement_days"), calendar: try row.get("settlement_calendar")
            ),
            minimum: try row.get("settlement_minimum_fen"),
            withdrawsAutomatically: try row.get("withdraws_automatically")
        )
    }

    /// Sets when matched money becomes available.
    public func setSettlementTerms(_ terms: SettlementTerms) async throws {
        try await run(
            """
            UPDATE tenant
               SET settlement_days = \(terms.schedule.days), settlement_calendar = \(terms.schedule.calendar.rawValue),
                   settlement_minimum_fen = \(terms.minimum), withdraws_automatically = \(terms.withdrawsAutomatically)
             WHERE id = \(tenantID)
            """
        )
    }

    /// Sets a sandbox's test clock forward; jobs that fall due in between become ready.
    ///
    /// - Throws: ``Rejection/sandboxOnly``, ``Rejection/clockMovesBackward``.
    public func setClock(to instant: Instant) async throws {
        guard isSandbox else { throw Rejection.sandboxOnly }
        let step = instant - now
        guard step >= .zero else { throw Rejection.clockMovesBackward }
        let microseconds = step.components.seconds * 1_000_000 + step.components.attoseconds / 1_000_000_000_000
        let steady = JobKind.allCases.filter { !$0.followsTestClock }.map(\.rawValue)
        _ = try await rows([
            """
            UPDATE tenant SET clock_offset = clock_offset + \(microseconds) * interval '1 microsecond'
             WHERE id = \(tenantID)
            """,
            """
            UPDATE job_later SET due_at = due_at - \(microseconds) * interval '1 microsecond'
             WHERE tenant_id = \(tenantID) AND kind <> ALL (\(steady))
            """,
            """
            UPDATE job_later SET run_at = run_at + \(microseconds) * interval '1 microsecond'
             WHERE tenant_id = \(tenantID) AND kind = ANY (\(steady))
            """,
        ])
    }
}

/// When money is released and paid out.
public struct SettlementTerms: Hashable, Sendable {
    /// When it becomes available.
    public let schedule: SettlementSchedule
    /// The least that is paid out.
    public let minimum: Fen
    /// Whether available money is paid out by itself.
    public let withdrawsAutomatically: Bool

    /// Makes terms.
    public init(schedule: SettlementSchedule, minimum: Fen, withdrawsAutomatically: Bool) {
        self.schedule = schedule
        self.minimum = minimum
        self.withdrawsAutomatically = withdrawsAutomatically
    }
}

extension TenantTransaction {
    /// Starts the watch over orders that expire, unless it goes on already.
    public func startExpiring() async throws {
        let request = JobRequest(.expireOrders, tenantID.text)
        if try await !hasJob(request) { try await enqueue(request) }
    }

    /// Starts the tenant's days: plans tomorrow's work, which plans every day after it. Planning twice changes nothing.
    public func startDays() async throws {
        try await startExpiring()
        let tomorrow = today.advanced(by: 1)
        let planned = try await row(
            "SELECT FROM job_later WHERE tenant_id = \(tenantID) AND kind = 'open_day' LIMIT 1"
        )
        guard planned == nil else { return }
        try await enqueue(JobRequest(.openDay, tomorrow.iso), at: tomorrow.start + .seconds(9 * 3600 + 300))
    }
}

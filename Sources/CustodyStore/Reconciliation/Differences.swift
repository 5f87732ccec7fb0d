import CustodyDomain
import Postgres

/// A difference between our receipts, the channel's statement and the bank's file, before it is a discrepancy.
struct Difference: Hashable, Sendable {
    let kind: String
    let reference: String
    let paymentID: ID<Payment>?
    let refundID: ID<Refund>?
    let ours: Fen?
    let theirs: Fen?
    let bank: Fen?
    /// What of it goes to suspense, credit positive.
    let suspense: Fen

    init(_ row: Row) throws {
        kind = try row.get("kind")
        reference = try row.get("reference")
        paymentID = try row.get("payment_id")
        refundID = try row.get("refund_id")
        ours = try row.get("our_fen")
        theirs = try row.get("their_fen")
        bank = try row.get("bank_fen")
        suspense = try row.get("suspense_fen")
    }

    init(kind: String, reference: String, ours: Fen?, bank: Fen?, suspense: Fen) {
        self.kind = kind
        self.reference = reference
        paymentID = nil
        refundID = nil
        self.ours = ours
        theirs = nil
        self.bank = bank
        self.suspense = suspense
    }
}

extension TenantTransaction {
    /// Everything that does not match among a channel's payments of a day, found by one full join in the database.
    ///
    /// A line whose payment is known under another day is no difference here: it settles what that day left open.
    ///
    /// - Parameters:
    ///   - bankFile: The bank's own file; nil where there is none.
    ///   - feeBasisPoints: The agreed fee; nil leaves fees unchecked.
    ///   - sharesLines: Whether a payment may stand in several lines, `<serial>-<n>`, one per payee.
    func paymentDifferences(
        _ channel: ChannelKind, on date: BusinessDate, statement: ID<Statement>, bankFile: ID<Statement>?,
        feeBasisPoints: Int?, sharesLines: Bool
    ) async throws -> [Difference] {
        try await rows(
            """
            WITH ours AS (
                SELECT id, serial, amount_fen, transaction_number FROM payment
                 WHERE tenant_id = \(tenantID) AND channel = \(channel.rawValue) AND business_date = \(date)
                   AND state = 'succeeded'
            ), lines AS (
                SELECT reference, counterpart_number, amount_fen, fee_fen,
                       CASE WHEN \(sharesLines) THEN regexp_replace(reference, '-[0-9]+$', '') ELSE reference END AS serial,
                       row_number() OVER (PARTITION BY reference ORDER BY line_number) AS copy
                  FROM statement_line
                 WHERE tenant_id = \(tenantID) AND statement_id = \(statement) AND kind IN ('payment', 'bank_receipt')
            ), theirs AS (
                SELECT serial AS reference, min(counterpart_number) AS counterpart_number,
                       sum(amount_fen)::bigint AS amount_fen, sum(fee_fen)::bigint AS fee_fen,
                       sum((amount_fen * \(feeBasisPoints)::bigint + 5000) / 10000)::bigint AS due_fee
                  FROM lines WHERE copy = 1
                 GROUP BY serial
            ), bank AS (
                SELECT details ->> 'channelOrderNo' AS number, sum(amount_fen)::bigint AS amount_fen
                  FROM statement_line
                 WHERE tenant_id = \(tenantID) AND statement_id = \(bankFile)::uuid AND kind = 'bank_receipt'
                   AND details ->> 'channel' = \(channel.bankName)
                 GROUP BY 1
            ), matched AS (
                SELECT o.id, coalesce(o.serial, t.reference) AS reference, o.amount_fen AS our_fen,
                       t.amount_fen AS their_fen, t.fee_fen, b.amount_fen AS bank_fen, t.reference IS NOT NULL AS listed,
                       t.due_fee
                  FROM ours o
                  FULL JOIN theirs t ON t.reference = o.serial
                  LEFT JOIN bank b ON b.number = coalesce(t.counterpart_number, o.transaction_number)
            )
            SELECT 'shortage' AS kind, reference, id AS payment_id, NULL::uuid AS refund_id, our_fen, their_fen, bank_fen,
                   -our_fen AS suspense_fen
              FROM matched WHERE NOT listed
            UNION ALL
            SELECT 'surplus', m.reference, NULL, NULL, NULL, m.their_fen, m.bank_fen, m.their_fen
              FROM matched m
             WHERE m.our_fen IS NULL
               AND NOT EXISTS (
                   SELECT FROM payment p
                    WHERE p.tenant_id = \(tenantID) AND p.serial = m.reference AND p.state = 'succeeded'
               )
            UNION ALL
            SELECT 'amount', reference, id, NULL, our_fen, their_fen, bank_fen, their_fen - our_fen
              FROM matched WHERE our_fen <> their_fen
            UNION ALL
            SELECT 'fee', reference, id, NULL, due_fee, fee_fen, NULL, due_fee - fee_fen
              FROM matched WHERE our_fen IS NOT NULL AND listed AND due_fee <> fee_fen
            UNION ALL
            SELECT 'bank_missing', reference, id, NULL, our_fen, their_fen, NULL, 0
              FROM matched WHERE our_fen IS NOT NULL AND listed AND bank_fen IS NULL AND \(bankFile)::uuid IS NOT NULL
            UNION ALL
            SELECT 'bank_amount', reference, id, NULL, our_fen, their_fen, bank_fen, 0
              FROM matched WHERE our_fen = their_fen AND bank_fen <> our_fen
            UNION ALL
            SELECT 'duplicate', reference || '#' || copy, NULL, NULL, NULL, amount_fen, NULL, amount_fen
              FROM lines WHERE copy > 1
            UNION ALL
            SELECT 'bank_surplus', b.number, NULL, NULL, NULL, NULL, b.amount_fen, 0
              FROM bank b
             WHERE NOT EXISTS (SELECT FROM lines l WHERE l.counterpart_number = b.number)
               AND NOT EXISTS (SELECT FROM ours o WHERE o.transaction_number = b.number)
             ORDER BY 1, 2
            """
        ).map(Difference.init)
    }

    /// Everything that does not match among a channel's refunds of a day.
    ///
    /// Channels list a refund on the day they accepted it, which may be another than the day it succeeded; so a refund that
    /// any day's statement lists is no shortage, and a line for one that is still under way is no surplus.
    ///
    /// - Parameter sharesLines: Whether a refund may stand in several lines, `<serial>-<n>`, one per payee.
    func refundDifferences(
        _ channel: ChannelKind, on date: BusinessDate, statement: ID<Statement>, sharesLines: Bool
    ) async throws -> [Difference] {
        try await rows(
            """
            WITH ours AS (
                SELECT r.id, r.serial, r.amount_fen
                  FROM refund r
                  JOIN payment p ON p.tenant_id = \(tenantID) AND p.id = r.payment_id AND p.channel = \(channel.rawValue)
                 WHERE r.tenant_id = \(tenantID) AND r.business_date = \(date) AND r.state = 'succeeded'
            ), theirs AS (
                SELECT CASE WHEN \(sharesLines) THEN regexp_replace(reference, '-[0-9]+$', '') ELSE reference END
                           AS reference,
                       sum(amount_fen)::bigint AS amount_fen
                  FROM statement_line
                 WHERE tenant_id = \(tenantID) AND statement_id = \(statement) AND kind = 'refund' AND status <> 'FAIL'
                 GROUP BY 1
            )
            SELECT 'refund_shortage' AS kind, o.serial AS reference, NULL::uuid AS payment_id, o.id AS refund_id,
                   o.amount_fen AS our_fen, NULL::bigint AS their_fen, NULL::bigint AS bank_fen,
                   o.amount_fen AS suspense_fen
              FROM ours o
             WHERE NOT EXISTS (
                 SELECT FROM statement_line l
                   JOIN statement s ON s.tenant_id = \(tenantID) AND s.id = l.statement_id AND s.is_current
                    AND s.source = \(channel.rawValue)
                  WHERE l.tenant_id = \(tenantID) AND l.kind = 'refund'
                    AND l.reference = ANY (line_names(o.serial, \(sharesLines)))
             )
            UNION ALL
            SELECT 'refund_surplus', t.reference, NULL, NULL, NULL, t.amount_fen, NULL, -t.amount_fen
              FROM theirs t
             WHERE NOT EXISTS (
                 SELECT FROM refund r
                  WHERE r.tenant_id = \(tenantID) AND r.serial = t.reference AND r.state <> 'failed'
             )
            UNION ALL
            SELECT 'refund_amount', t.reference, NULL, r.id, r.amount_fen, t.amount_fen, NULL, r.amount_fen - t.amount_fen
              FROM theirs t
              JOIN refund r ON r.tenant_id = \(tenantID) AND r.serial = t.reference AND r.state <> 'failed'
             WHERE r.amount_fen <> t.amount_fen
             ORDER BY 1, 2
            """
        ).map(Difference.init)
    }
}

extension ChannelKind {
    /// The name that the bank's files give the channel.
    var bankName: String {
        switch self {
        case .weChatPay: "WXPAY"
        case .alipay: "ALIPAY"
        }
    }
}

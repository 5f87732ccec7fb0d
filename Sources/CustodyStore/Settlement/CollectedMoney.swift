import CustodyDomain
import Postgres

/// The release of money that a custodian collected by itself.
extension TenantTransaction {
    /// Charges each payee whose share a run released with the fees that the custodian kept back from it.
    ///
    /// They are charged with the first release of its share of an order. These custodians release it as a whole, after
    /// which nothing of it is refunded: so its fees are known by then.
    ///
    /// - Returns: What each payee was charged.
    func passFeesOn(in runID: ID<SettlementRun>) async throws -> [Account.Party: Fen] {
        let rows = try await rows(
            """
            WITH share AS (
                -- Payees count from 1 as the order first names them.
                SELECT p.id AS payment_id, p.serial, p.channel, p.business_date, o.sub_merchant_id,
                       row_number() OVER (PARTITION BY p.id ORDER BY min(o.number)) AS place
                  FROM payment p
                  JOIN order_part o
                    ON o.tenant_id = \(tenantID) AND o.order_id = p.order_id AND o.sub_merchant_id IS NOT NULL
                 WHERE p.tenant_id = \(tenantID) AND p.state = 'succeeded' AND p.collector = 'bank'
                   AND p.order_id IN (
                       SELECT order_id FROM split_part
                        WHERE tenant_id = \(tenantID) AND settlement_run_id = \(runID)
                   )
                 GROUP BY p.id, p.serial, p.channel, p.business_date, o.sub_merchant_id
            ), released AS (
                SELECT s.* FROM share s
                 WHERE EXISTS (
                     SELECT FROM split_part sp
                       JOIN payment p ON p.tenant_id = \(tenantID) AND p.order_id = sp.order_id AND p.id = s.payment_id
                      WHERE sp.tenant_id = \(tenantID) AND sp.settlement_run_id = \(runID)
                        AND sp.sub_merchant_id = s.sub_merchant_id
                 )
                   AND NOT EXISTS (
                     SELECT FROM split_part sp
                       JOIN payment p ON p.tenant_id = \(tenantID) AND p.order_id = sp.order_id AND p.id = s.payment_id
                      WHERE sp.tenant_id = \(tenantID) AND sp.settlement_run_id <> \(runID)
                        AND sp.sub_merchant_id = s.sub_merchant_id
                 )
            ), named AS (
                SELECT sub_merchant_id, serial, channel, business_date, place FROM released
                UNION ALL
                SELECT r.sub_merchant_id, f.serial, r.channel, f.business_date, r.place
                  FROM released r
                  JOIN refund f
                    ON f.tenant_id = \(tenantID) AND f.payment_id = r.payment_id AND f.state = 'succeeded'
            )
            SELECT n.sub_merchant_id, sum(l.fee_fen)::bigint AS fee_fen
              FROM named n
              JOIN statement s
                ON s.tenant_id = \(tenantID) AND s.is_current
               AND (s.source = n.channel AND s.form = 'trade' OR s.source = 'bank' AND s.form = 'CHK')
               AND s.business_date BETWEEN n.business_date - 3 AND n.business_date + 3
              JOIN statement_line l
                ON l.tenant_id = \(tenantID) AND l.statement_id = s.id
               AND l.kind IN ('payment', 'bank_receipt', 'refund')
               AND (l.reference = n.serial || '-' || n.place OR n.place = 1 AND l.reference = n.serial)
             GROUP BY n.sub_merchant_id
            """
        )
        var entry = LedgerEntry("fees.passed_on", subject: runID.uuid.text, on: today)
        var fees: [Account.Party: Fen] = [:]
        for row in rows {
            let party = Account.Party.subMerchant(try row.get("sub_merchant_id"))
            // Fees of a fen or two, rounded payment by payment, may be more than what refunds left: the platform bears them.
            let fee = min(try row.get("fee_fen"), try await balance(of: .available(party)))
            fees[party] = fee
            entry.move(fee, debit: .available(party), credit: .feeReceivable)
        }
        try await book(entry)
        return fees
    }

    /// Books what a run released as paid out, where the custodian pays sub-merchants out by itself.
    func bookPaidOut(
        _ shares: [Account.Party: Fen], less fees: [Account.Party: Fen], in runID: ID<SettlementRun>
    ) async throws {
        var entry = LedgerEntry("settlement.paid_out", subject: runID.uuid.text, on: today)
        for (party, share) in shares {
            entry.move(share - (fees[party] ?? .zero), debit: .available(party), credit: .bankCash)
        }
        try await book(entry)
    }
}

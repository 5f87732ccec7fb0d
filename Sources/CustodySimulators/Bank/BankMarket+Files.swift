import CustodyDomain
import CustodyWire

/// Daily files.
extension BankMarket {
    /// From when on the day after a bank date its files are there: 10:30.
    static let filesReadyAfter: Duration = .seconds(10 * 3600 + 1800)

    mutating func applyFile(_ body: JSON, now: Instant) throws(BankRefusal) -> BankAnswer {
        guard let kind = CWP1FileKind(rawValue: try body.field("type")) else {
            throw BankRefusal("100001", "type is unknown")
        }
        let text = try body.field("bankDate")
        guard text.utf8.count == 8, let date = BusinessDate(text) else {
            throw BankRefusal("100001", "bankDate is no date")
        }
        guard now >= date.advanced(by: 1).start + BankMarket.filesReadyAfter else {
            return BankAnswer(
                body: [
                    "status": "GENERATING",
                    "finishBy": .string((date.advanced(by: 1).start + BankMarket.filesReadyAfter).shanghaiCompact),
                ])
        }
        var issues = files[kind.rawValue + date.compact] ?? []
        let rows = rows(of: kind, on: date)
        if issues.last?.rows != rows {
            issues.append(
                CWP1File(
                    kind: kind, partnerID: partnerID, marketID: marketID, date: date, sequence: issues.count + 1,
                    rows: rows))
            files[kind.rawValue + date.compact] = issues
        }
        do throws(StatementDefect) {
            var listed: [JSON] = []
            for file in issues {
                let bytes = try file.bytes()
                listed.append([
                    "name": .string(file.name), "path": .string("/out/\(marketID)/\(date.compact)/\(file.name)"),
                    "size": JSON(bytes.count), "digest": .string(CWP1File.digest(of: bytes)),
                    "expireAt": .string((now + .seconds(86_400)).shanghaiCompact),
                ])
            }
            return BankAnswer(body: ["status": rows.isEmpty ? "EMPTY" : "SUCCESS", "files": .array(listed)])
        } catch {
            throw BankRefusal("900002", "the file cannot be written")
        }
    }

    /// Issues a file again under the next sequence number, whether or not it differs.
    mutating func reissue(_ kind: CWP1FileKind, _ date: BusinessDate) -> Bool {
        let key = kind.rawValue + date.compact
        guard let issues = files[key], !issues.isEmpty else { return false }
        files[key] =
            issues + [
                CWP1File(
                    kind: kind, partnerID: partnerID, marketID: marketID, date: date, sequence: issues.count + 1,
                    rows: rows(of: kind, on: date))
            ]
        return true
    }

    /// Tells the partner that a day's files are there.
    mutating func announceFiles(_ day: BusinessDate) {
        for kind in CWP1FileKind.allCases {
            effects.append(
                .notify(
                    txnCode: "FILE.NOTIFY", body: ["type": .string(kind.rawValue), "bankDate": .string(day.compact)]))
        }
    }

    /// An issued file by its path's parts; nil when there is none.
    func file(date: String, name: String) -> CWP1File? {
        for (key, issues) in files where key.hasSuffix(date) {
            if let found = issues.first(where: { $0.name == name || $0.okName == name }) { return found }
        }
        return nil
    }

    private func rows(of kind: CWP1FileKind, on date: BusinessDate) -> [[String]] {
        let honest = honestRows(of: kind, on: date)
        return fileEdits.filter { $0.kind == kind && $0.date == date }.reduce(honest) { $1.applied(to: $0) }
    }

    private func honestRows(of kind: CWP1FileKind, on date: BusinessDate) -> [[String]] {
        switch kind {
        case .receipts: receiptRows(date)
        case .refunds: refundRows(date)
        case .withdrawals: withdrawalRows(date)
        case .returns: returnRows(date)
        case .balances: differing(snapshots[date] ?? [], balanceDifferences[date] ?? [:])
        case .splits: shareRows(date)
        case .splitSums: shareSumRows(date)
        case .masterMovements: masterRows(date)
        case .cards: cardRows(date)
        case .stock: stockRows(date)
        // This bank charges nothing.
        case .charges: []
        }
    }

    private func receiptRows(_ date: BusinessDate) -> [[String]] {
        var rows: [[String]] = []
        for (number, order) in orders.sorted(by: { $0.key < $1.key }) {
            guard let registration = order.registration, let funding = order.funding, funding.businessDate == date
            else { continue }
            var feeLeft = funding.fee.value
            for (index, subOrder) in order.subOrders.enumerated() {
                let isLast = index == order.subOrders.count - 1
                let fee = isLast ? feeLeft : share(funding.fee, subOrder.amount, of: order.total)
                feeLeft -= fee
                rows.append([
                    funding.bankNumber, registration.number, number, subOrder.number, registration.channel,
                    registration.channelOrderNumber, subOrder.payee, String(subOrder.amount.value), String(fee),
                    "SUCCESS", date.compact, registration.paidAt.shanghaiCompact,
                ])
            }
        }
        return rows
    }

    /// A part of a fee by weight, rounded down; the last gets the rest.
    private func share(_ fee: Fen, _ part: Fen, of whole: Fen) -> Int64 {
        let product = fee.value.multipliedFullWidth(by: part.value)
        return whole.value.dividingFullWidth(product).quotient
    }

    private func refundRows(_ date: BusinessDate) -> [[String]] {
        refunds.filter { $0.value.settledOn == date }.sorted { $0.key < $1.key }.map { number, refund in
            let registration = orders[refund.orderNumber]?.registration
            return [
                instructions[refund.number]?.bankNumber ?? number, refund.number, number, refund.orderNumber,
                registration?.channel ?? "", String(refund.amount.value), String(refund.fee.value), "SUCCESS",
                date.compact, refund.finishedAt.shanghaiCompact,
            ]
        }
    }

    private func withdrawalRows(_ date: BusinessDate) -> [[String]] {
        withdrawals.sorted { $0.key < $1.key }.compactMap { number, withdrawal in
            guard let finishedAt = withdrawal.finishedAt, bankDate(of: finishedAt) == date else { return nil }
            let isFailed = withdrawal.state == "FAILED"
            return [
                instructions[withdrawal.number]?.bankNumber ?? number, withdrawal.number, withdrawal.account,
                withdrawal.cardMask, String(withdrawal.amount.value), String(withdrawal.fee.value),
                isFailed ? "FAILED" : "SUCCESS", isFailed ? "B3107" : "", isFailed ? "收款账号户名不符" : "",
                date.compact, finishedAt.shanghaiCompact,
            ]
        }
    }

    private func returnRows(_ date: BusinessDate) -> [[String]] {
        withdrawals.sorted { $0.key < $1.key }.compactMap { number, withdrawal in
            guard let returnedAt = withdrawal.returnedAt, bankDate(of: returnedAt) == date,
                let returnNumber = withdrawal.returnNumber
            else { return nil }
            return [
                returnNumber, instructions[withdrawal.number]?.bankNumber ?? number, withdrawal.number,
                withdrawal.account, String(withdrawal.amount.value), "收款银行退票:账户状态异常", date.compact,
            ]
        }
    }

    /// Balances with planted differences, in the total and in what is withdrawable alike.
    private func differing(_ rows: [[String]], _ differences: [String: Fen]) -> [[String]] {
        rows.map { row in
            guard let difference = differences[row[0]], let total = Int64(row[2]), let free = Int64(row[4]) else {
                return row
            }
            var row = row
            row[2] = String(total + difference.value)
            row[4] = String(free + difference.value)
            return row
        }
    }
}

/// A way in which a file disagrees with what messages said.
struct BankFileEdit {
    enum Change {
        /// Rows with this number are missing.
        case missing
        /// A row nobody knows.
        case extra([String])
        /// Rows with this number have another amount, in fen.
        case amount(Int64)
        /// Rows with this number have another status.
        case status(String)
    }

    let kind: CWP1FileKind
    let date: BusinessDate
    let number: String
    let change: Change

    /// Where a column stands in a row of the kind.
    private func column(_ name: String?) -> Int? { name.flatMap { kind.columns.firstIndex(of: $0) } }

    func applied(to rows: [[String]]) -> [[String]] {
        switch change {
        case .missing: return rows.filter { !$0.contains(number) }
        case .extra(let row): return rows + [row]
        case .amount(let amount): return edited(rows, column: column(kind.amountColumn), String(amount))
        case .status(let status): return edited(rows, column: column("status"), status)
        }
    }

    private func edited(_ rows: [[String]], column: Int?, _ value: String) -> [[String]] {
        rows.map { row in
            guard let column, row.contains(number), row.indices.contains(column) else { return row }
            var row = row
            row[column] = value
            return row
        }
    }
}

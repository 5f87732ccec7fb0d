import CustodyDomain
import CustodyWire

/// Many instructions handed in as one file.
struct BankBatch {
    let type: String
    let rows: [[JSON.Member]]
    var state = "DEALING"
    var failures: [JSON] = []
    var finishedOn: BusinessDate?
    /// Fails its first row on purpose.
    let failsInPart: Bool
    let finishBy: Instant
}

/// Batches.
extension BankMarket {
    /// How long a batch takes.
    static let batchTime: Duration = .seconds(60)

    /// Accepts a batch whose file is there and agrees with what is said of it.
    mutating func createBatch(_ body: JSON, now: Instant) throws(BankRefusal) -> BankInstruction.Subject {
        let number = try body.field("batchNo")
        let type = try body.field("type")
        guard ["CLEARING", "STOCK", "WDR", "REF"].contains(type) else {
            throw BankRefusal("100223", "type is not taken")
        }
        guard let bytes = materials[try body.field("fileId")] else {
            throw BankRefusal("100221", "no such file was handed in")
        }
        guard try body.field("digest") == CWP1File.digest(of: bytes) else {
            throw BankRefusal("100222", "the file has another digest")
        }
        let (rows, sum) = try BankMarket.rows(of: bytes)
        guard body["records"]?.integer == Int64(rows.count), try body.yuan("amt", allowsZero: true) == sum else {
            throw BankRefusal("100302", "records or amt are not those of the file")
        }
        let batch = BankBatch(
            type: type, rows: rows, failsInPart: wish?.fault == "part_success", finishBy: now + BankMarket.batchTime)
        batches[number] = batch
        effects.append(.schedule(.finishBatch(number), at: batch.finishBy))
        return .batch(number)
    }

    /// Lines `C|column…`, `D|value…` and `T|count|sumFen`; a column is a field of the single operation's body.
    private static func rows(of bytes: [UInt8]) throws(BankRefusal) -> (rows: [[JSON.Member]], sum: Fen) {
        var columns: [String] = []
        var rows: [[JSON.Member]] = []
        var sum = Fen.zero
        var trailer: [String]?
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let values = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            switch values.first {
            case "C": columns = Array(values.dropFirst())
            case "D":
                guard values.count == columns.count + 1, trailer == nil else {
                    throw BankRefusal("100303", "a line has another number of values than of columns")
                }
                let members = zip(columns, values.dropFirst()).filter { !$1.isEmpty }.map {
                    JSON.Member($0, .string($1))
                }
                rows.append(members)
                if let text = JSON.object(members)["amt"]?.string {
                    guard let amount = Fen(yuan: text) else { throw BankRefusal("100303", "amt is no amount") }
                    sum += amount
                }
            case "T": trailer = Array(values.dropFirst())
            default: throw BankRefusal("100303", "a line is neither C, D nor T")
            }
        }
        guard trailer == [String(rows.count), String(sum.value)] else {
            throw BankRefusal("100303", "the last line is not the sum of the others")
        }
        return (rows, sum)
    }

    mutating func finishBatch(_ number: String, now: Instant) {
        guard var batch = batches[number], batch.state == "DEALING" else { return }
        for (index, row) in batch.rows.enumerated() {
            let line = String(index + 1)
            do throws(BankRefusal) {
                if batch.failsInPart, index == 0 { throw BankRefusal("300001", "failed on demand") }
                try execute(row: .object(row), of: batch.type, number: number + "-" + line, now: now)
            } catch {
                batch.failures.append([
                    "line": .string(line), "failCode": .string(error.code), "failMsg": .string(error.message),
                ])
            }
        }
        batch.state =
            batch.failures.isEmpty ? "SUCCESS" : batch.failures.count == batch.rows.count ? "FAIL" : "PART_SUCCESS"
        batch.finishedOn = bankDate(of: now)
        batches[number] = batch
        effects.append(.notify(txnCode: "BATCH.NOTIFY", body: batchBody(number)))
    }

    private mutating func execute(
        row: JSON, of type: String, number: String, now: Instant
    ) throws(BankRefusal) {
        if type == "STOCK" { return try importMerchant(row, now: now) }
        if type == "CLEARING" { return try clear(row, number: number, now: now) }
        let request = CWP1Request(
            txnCode: type + ".CREATE", partnerID: partnerID, marketID: marketID, number: number, at: now,
            body: type == "REF" ? try refund(row) : row)
        let subject = try perform(request, now: now)
        instructions[number] = BankInstruction(
            txnCode: request.txnCode, content: request.body, subject: subject, bankNumber: nextNumber("B", now),
            bankDate: bankDate(of: now))
    }

    /// A receipt as the channel's bill has it: what it says agrees with what was registered, and the sub-order is split.
    private mutating func clear(_ row: JSON, number: String, now: Instant) throws(BankRefusal) {
        let (orderNumber, subOrder) = (try row.field("mainOrderNo"), try row.field("subOrderNo"))
        guard let order = orders[orderNumber], let registration = order.registration else {
            throw BankRefusal("100211", "no registered order")
        }
        guard try row.field("channelOrderNo") == registration.channelOrderNumber else {
            throw BankRefusal("100219", "the order is registered with another receipt")
        }
        guard let original = order.subOrders.first(where: { $0.number == subOrder }),
            try row.yuan("amt") == original.amount
        else { throw BankRefusal("100220", "amt is not that of the sub-order") }
        let body: JSON = [
            "confirmNo": .string(number), "mainOrderNo": .string(orderNumber), "subOrderNo": .string(subOrder),
        ]
        instructions[number] = BankInstruction(
            txnCode: "SETTLE.CONFIRM", content: body, subject: try confirmSettlement(body),
            bankNumber: nextNumber("B", now), bankDate: bankDate(of: now))
    }

    /// The lines of a batch that failed, in the form of the file that was handed in; nil when none did, or not yet.
    func failFile(_ number: String) -> [UInt8]? {
        guard let batch = batches[number], !batch.failures.isEmpty, batch.state != "DEALING" else { return nil }
        let rows = batch.failures.map { failure in
            "D|" + ["line", "failCode", "failMsg"].map { failure[$0]?.string ?? "" }.joined(separator: "|")
        }
        return Array((["C|line|failCode|failMsg"] + rows + ["T|\(rows.count)|0"]).map { $0 + "\n" }.joined().utf8)
    }

    /// A refund of one giver, which a line can say.
    private func refund(_ row: JSON) throws(BankRefusal) -> JSON {
        let order = try row.field("mainOrderNo")
        guard let subOrder = orders[order]?.subOrders.first?.number else {
            throw BankRefusal("100211", "no registered order")
        }
        let amount = try row.field("amt")
        return [
            "refundNo": .string(try row.field("refundNo")), "mainOrderNo": .string(order), "amt": .string(amount),
            "subOrders": [
                [
                    "subOrderNo": .string(subOrder), "amt": .string(amount),
                    "giveBack": [["acct": .string(try row.field("acct")), "amt": .string(amount)]],
                ]
            ],
        ]
    }

    /// A merchant the platform had before gets its account at once; it withdraws only after it confirmed.
    private mutating func importMerchant(_ row: JSON, now: Instant) throws(BankRefusal) {
        let number = try row.field("merchantNo")
        guard merchants[number] == nil else { throw BankRefusal("100202", "merchantNo is known") }
        var merchant = BankMerchant(
            name: try row.field("name"), applyNumber: nextNumber("A", now), finishBy: now)
        _ = try row.field("certNo")
        merchant.state = "TO_CONFIRM"
        merchant.isStock = true
        merchant.account = openAccount(number)
        merchants[number] = merchant
        effects.append(.notify(txnCode: "MCH.NOTIFY", body: merchantBody(number)))
    }

    func batchBody(_ number: String) -> JSON {
        guard let batch = batches[number] else { return ["status": "NOT_FOUND", "batchNo": .string(number)] }
        return
            ([
                "status": .string(batch.state), "batchNo": .string(number), "records": JSON(batch.rows.count),
                "failures": JSON(batch.failures.count),
                "failFile": failFile(number) == nil ? .null : .string("/out/\(marketID)/batches/\(number)-fail.txt"),
                "failItems": batch.failures.isEmpty ? .null : .array(Array(batch.failures.prefix(100))),
                "failCode": batch.state == "FAIL" ? "B4001" : .null,
                "finishBy": batch.state == "DEALING" ? .string(batch.finishBy.shanghaiCompact) : .null,
            ] as JSON).omittingNulls
    }
}

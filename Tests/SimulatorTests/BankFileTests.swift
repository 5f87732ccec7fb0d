import CustodyDomain
import CustodyWire
import Testing

@testable import CustodySimulators

/// Every kind of daily file, written from a day's books, and read as any partner would read it.
@Suite struct BankFileTests {
    private struct Desk {
        var market: BankMarket
        var now = Instant(text: "20261005120000") ?? Instant(seconds: 0)
        var number = 0

        init() {
            var terms = BankTerms()
            terms.reviewStep = .zero
            market = BankMarket(partnerID: "P", marketID: "M", terms: terms)
        }

        mutating func ask(_ txnCode: String, _ body: JSON) -> BankAnswer {
            number += 1
            let request = CWP1Request(
                txnCode: txnCode, partnerID: "P", marketID: "M", number: "N\(number)", at: now, body: body)
            return market.execute(request, now: now)
        }

        /// Lets all that is due until a time happen.
        mutating func advance(to end: String) {
            let end = Instant(text: end) ?? now
            while true {
                let due = market.takeEffects().compactMap { effect -> (BankEvent, Instant)? in
                    if case .schedule(let event, let at) = effect, at <= end { (event, at) } else { nil }
                }
                guard !due.isEmpty else { break }
                for (event, at) in due { market.happen(event, at: max(now, at)) }
            }
            now = end
            market.turn(to: now)
        }

        /// The rows of a day's file, once its bytes and `.ok` agree with each other.
        mutating func rows(_ kind: CWP1FileKind) throws -> [[String]] {
            let listed = ask("FILE.APPLY", ["type": .string(kind.rawValue), "bankDate": "20261005"])
            let name = try #require(listed.body["files"]?.array?.last?["name"]?.string)
            let file = try #require(market.file(date: "20261005", name: name))
            let bytes = try file.bytes()
            _ = try VerifiedStatement(verifying: StatementFile(bytes, name: name), from: .bank, ok: try file.ok())
            return file.rows
        }
    }

    /// An order of 100.00 for a stock merchant and the platform, split in two and taken back in part, with its money.
    private func day() throws -> Desk {
        var desk = Desk()
        let bytes = Array("C|merchantNo|name|certNo\nD|M1|甲公司|91330100A\nD|M2||91330100B\nT|2|0".utf8)
        desk.market.uploads["U1"] = bytes
        let digest = CWP1File.digest(of: bytes)
        let material = desk.ask(
            "MCH.MATERIAL",
            [
                "kind": "STOCK", "fileName": "s.txt", "contentType": "text/plain", "uploadId": "U1",
                "sha256": .string(digest),
            ])
        let file = try #require(material.body["fileId"])
        let batch = desk.ask(
            "MCH.IMPORT",
            ["batchNo": "B1", "type": "STOCK", "fileId": file, "records": 2, "amt": "0.00", "digest": .string(digest)])
        #expect(batch.code == "000000")
        desk.advance(to: "20261005121000")
        let account = try #require(desk.market.merchants["M1"]?.account)
        let bound = desk.ask(
            "CARD.BIND",
            [
                "subAcct": .string(account), "acctType": "CORP", "acctNo": "6222021234567890123", "acctName": "甲公司",
                "bankName": "工商银行", "mobile": "13800138000", "verify": "NONE",
            ])
        #expect(bound.body["status"]?.string == "BOUND")
        let parts: JSON = [
            ["splitNo": "S1", "acct": .string(account), "amt": "96.00", "purpose": "PAYEE"],
            ["splitNo": "S2", "acct": .string(desk.market.feeAccount), "amt": "4.00", "purpose": "COMMISSION"],
        ]
        let order: JSON = [
            "mainOrderNo": "O1", "channel": "WXPAY", "channelOrderNo": "42", "payTime": "20261005120000",
            "totalAmt": "100.00",
            "subOrders": [["subOrderNo": "O1-01", "payeeSubAcct": .string(account), "amt": "100.00", "splits": parts]],
        ]
        #expect(desk.ask("ORD.SYNC", order).code == "000000")
        let items: JSON = [
            ["splitNo": "S1", "toAcct": .string(account), "amt": "96.00"],
            ["splitNo": "S2", "toAcct": .string(desk.market.feeAccount), "amt": "4.00"],
        ]
        let split = desk.ask(
            "SPLIT.CREATE", ["splitBatchNo": "P1", "mainOrderNo": "O1", "subOrderNo": "O1-01", "items": items])
        #expect(split.code == "000000")
        let reversal = desk.ask(
            "SPLIT.REVERSE",
            [
                "reverseNo": "R1", "splitBatchNo": "P1", "mainOrderNo": "O1",
                "items": [["splitNo": "S1", "acct": .string(account), "amt": "6.00"]],
            ])
        #expect(reversal.code == "000000")
        _ = try desk.market.deposit(Fen(5000), now: desk.now)
        _ = try desk.market.credit(
            channel: "WXPAY", businessDate: BusinessDate(of: desk.now), net: Fen(9940),
            items: [
                BankCreditItem(
                    isRefund: false, channelOrderNumber: "42", outNumber: "X", amount: Fen(10_000), fee: Fen(60))
            ], now: desk.now)
        desk.advance(to: "20261006110000")
        return desk
    }

    @Test func `a day's files tell what happened, each in its own way`() throws {
        var desk = try day()
        let splits = try desk.rows(.splits)
        #expect(splits.map { $0[6] } == ["IN", "IN", "OUT"])
        #expect(splits.map { $0[7] } == ["9600", "400", "600"])
        #expect(try desk.rows(.splitSums).map { Int64($0[3]) ?? 0 }.sorted() == [400, 9600])
        let movements = try desk.rows(.masterMovements)
        #expect(movements.map { $0[4] } == ["5000", "9940"])
        #expect(movements.map { $0[5] } == ["5000", "14940"])
        #expect(try desk.rows(.cards).map { $0[5] } == ["BIND"])
        #expect(try desk.rows(.stock).map { $0[3] } == ["IMPORTED", "FAILED"])
        #expect(try desk.rows(.receipts).count == 1)
        #expect(try desk.rows(.charges).isEmpty)
        #expect(try desk.rows(.balances).contains { $0[0] == desk.market.masterAccount && $0[2] == "14940" })
        for kind in CWP1FileKind.allCases { _ = try desk.rows(kind) }
    }
}

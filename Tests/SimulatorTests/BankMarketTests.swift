import CustodyDomain
import CustodyWire
import Testing

@testable import CustodySimulators

/// A generator whose sequence a seed decides, so that a failure can be repeated.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}

/// The books of a market, driven as the gateway drives them.
@Suite struct BankMarketTests {
    /// A market with open merchants and bound accounts, and a clock.
    private struct Desk {
        static var terms: BankTerms {
            var terms = BankTerms()
            terms.reviewStep = .zero
            return terms
        }

        var market = BankMarket(
            partnerID: "P", marketID: "M", terms: Desk.terms)
        var now = Instant(seconds: 1_791_172_800)
        var number = 0
        var due: [(at: Instant, event: BankEvent)] = []
        var notifications: [String] = []

        mutating func ask(_ txnCode: String, _ body: JSON, number given: String? = nil) -> BankAnswer {
            number += 1
            let request = CWP1Request(
                txnCode: txnCode, partnerID: "P", marketID: "M", number: given ?? "N\(number)", at: now, body: body)
            let answer = market.execute(request, now: now)
            take()
            return answer
        }

        mutating func take() {
            for effect in market.takeEffects() {
                switch effect {
                case .notify(let txnCode, _): notifications.append(txnCode)
                case .schedule(let event, let at): due.append((at, event))
                }
            }
        }

        mutating func advance(_ duration: Duration) {
            let end = now + duration
            while let index = due.indices.min(by: { due[$0].at < due[$1].at }), due[index].at <= end {
                let next = due.remove(at: index)
                now = max(now, next.at)
                market.happen(next.event, at: now)
                take()
            }
            now = end
        }

        mutating func openMerchant(_ number: String) -> String {
            _ = ask("MCH.OPEN", ["merchantNo": .string(number), "name": "商户"])
            advance(.seconds(1))
            return market.merchants[number]?.account ?? ""
        }

        mutating func bind(_ account: String) -> String {
            let answer = ask(
                "CARD.BIND",
                [
                    "subAcct": .string(account), "acctType": "CORP", "acctNo": "6222021234567890123",
                    "acctName": "张三", "bankName": "工行", "mobile": "13800138000", "verify": "FOUR_FACTOR",
                ])
            let bindNumber = answer.body["bindNo"]?.string ?? ""
            _ = ask(
                "CARD.CONFIRM",
                ["bindNo": .string(bindNumber), "smsCode": JSON(market.cards[bindNumber]?.smsCode)])
            return bindNumber
        }

        func order(_ number: String, _ parts: [(String, Int64)], isPaid: Bool = true) -> JSON {
            let total = Fen(parts.map(\.1).reduce(0, +)).yuan
            var members: [JSON.Member] = [.init("mainOrderNo", .string(number))]
            if isPaid {
                members += [
                    .init("channel", "WXPAY"), .init("channelOrderNo", .string("C" + number)),
                    .init("payTime", .string(now.shanghaiCompact)),
                ]
            }
            let splits = parts.enumerated().map { index, part -> JSON in
                ["splitNo": .string("S\(index)"), "acct": .string(part.0), "amt": .string(Fen(part.1).yuan)]
            }
            members += [
                .init("totalAmt", .string(total)),
                .init(
                    "subOrders",
                    [
                        [
                            "subOrderNo": .string(number + "-01"), "payeeSubAcct": .string(parts[0].0),
                            "amt": .string(total), "splits": .array(splits),
                        ]
                    ]),
            ]
            return .object(members)
        }
    }

    /// Random instructions, and the lumps that pay for them.
    private struct Traffic {
        var random: Seeded
        var desk = Desk()
        var accounts: [String] = []
        var cards: [String] = []
        var paid: [(number: String, parts: [(String, Int64)])] = []
        var unfunded: [BankCreditItem] = []
        var codes: [String: Int] = [:]

        init(seed: UInt64) {
            random = Seeded(state: seed)
            accounts = (0..<5).map { desk.openMerchant("SUB\($0)") }
            cards = accounts.map { desk.bind($0) }
        }

        mutating func step(_ step: Int) throws {
            switch Int.random(in: 0..<10, using: &random) {
            case 0...3: pay(step)
            case 4: split(step)
            case 5: refund(step)
            case 6...7: withdraw(step)
            case 8: try credit(upTo: 20)
            default:
                _ = try desk.market.deposit(Fen(Int64.random(in: 1...100, using: &random)), now: desk.now)
                desk.advance(.seconds(700))
            }
        }

        private mutating func ask(_ txnCode: String, _ body: JSON) -> Bool {
            let answer = desk.ask(txnCode, body)
            codes[answer.code, default: 0] += 1
            return answer.code == "000000"
        }

        private mutating func pay(_ step: Int) {
            let parts = [
                (accounts[Int.random(in: 0..<5, using: &random)], Int64.random(in: 1...5000, using: &random)),
                (desk.market.feeAccount, Int64.random(in: 1...300, using: &random)),
            ]
            guard ask("ORD.SYNC", desk.order("O\(step)", parts)) else { return }
            paid.append(("O\(step)", parts))
            let total = Fen(parts[0].1 + parts[1].1)
            // Now and then the channel pays another amount than was registered.
            let arriving = step % 17 == 0 ? total + Fen(Int64.random(in: 0...20, using: &random)) : total
            unfunded.append(
                .init(
                    isRefund: false, channelOrderNumber: "CO\(step)", outNumber: "P\(step)", amount: arriving,
                    fee: Fen((arriving.value * 6 + 500) / 1000)))
        }

        private mutating func split(_ step: Int) {
            guard let order = paid.randomElement(using: &random) else { return }
            let amount = Fen(Int64.random(in: 1...order.parts[0].1, using: &random))
            _ = ask(
                "SPLIT.CREATE",
                [
                    "splitBatchNo": .string("SP\(step)"), "mainOrderNo": .string(order.number),
                    "subOrderNo": .string(order.number + "-01"),
                    "items": [
                        ["splitNo": "S0", "toAcct": .string(order.parts[0].0), "amt": .string(amount.yuan)]
                    ], "finish": .bool(Bool.random(using: &random)),
                ])
        }

        private mutating func refund(_ step: Int) {
            guard let order = paid.randomElement(using: &random) else { return }
            let amount = Fen(Int64.random(in: 1...order.parts[0].1, using: &random))
            let isDone = ask(
                "REF.CREATE",
                [
                    "refundNo": .string("R\(step)"), "mainOrderNo": .string(order.number),
                    "amt": .string(amount.yuan),
                    "subOrders": [
                        [
                            "subOrderNo": .string(order.number + "-01"), "amt": .string(amount.yuan),
                            "giveBack": [["acct": .string(order.parts[0].0), "amt": .string(amount.yuan)]],
                        ]
                    ],
                ])
            guard isDone else { return }
            unfunded.append(
                .init(
                    isRefund: true, channelOrderNumber: "C" + order.number, outNumber: "R\(step)", amount: amount,
                    fee: -Fen((amount.value * 6 + 500) / 1000)))
        }

        private mutating func withdraw(_ step: Int) {
            let index = Int.random(in: 0..<5, using: &random)
            _ = ask(
                "WDR.CREATE",
                [
                    "wdrNo": .string("W\(step)"), "subAcct": .string(accounts[index]),
                    "cardBindNo": .string(cards[index]),
                    "amt": .string(Fen(Int64.random(in: 1...3000, using: &random)).yuan), "fee": "0.00",
                ])
            if step % 5 == 0 { desk.market.withdrawals["W\(step)"]?.willFail = true }
            if step % 7 == 0 {
                desk.market.plantReturn(.init(withdrawal: "W\(step)", account: nil, afterDays: 1), now: desk.now)
            }
        }

        mutating func credit(upTo count: Int) throws {
            let items = Array(unfunded.shuffled(using: &random).prefix(count))
            unfunded.removeAll { items.contains($0) }
            _ = try desk.market.credit(
                channel: "WXPAY", businessDate: BusinessDate(of: desk.now), net: items.map(\.net).sum(),
                items: items, now: desk.now)
            desk.take()
            desk.advance(.seconds(3600))
        }
    }

    @Test(arguments: [1, 20_261_005, 77] as [UInt64])
    func `every fen stays somewhere through thousands of random instructions`(seed: UInt64) throws {
        var traffic = Traffic(seed: seed)
        for step in 0..<4000 {
            try traffic.step(step)
            if step % 100 == 0 { #expect(traffic.desk.market.book.isSound, "seed \(seed), step \(step)") }
        }
        // The sequence went through successes and refusals alike, and money moved in every way.
        #expect(traffic.codes["000000", default: 0] > 1500)
        #expect(traffic.codes["100201", default: 0] > 10)
        let market = traffic.desk.market
        #expect(Set(market.withdrawals.values.map(\.state)).isSuperset(of: ["SUCCESS", "FAILED", "RETURNED"]))
        try traffic.credit(upTo: .max)
        // When all lumps have come nothing is in transit, and every fen of cash has its owner.
        let settled = traffic.desk.market
        #expect(settled.inTransitIn == .zero)
        #expect(settled.book.isSound)
        let owned = settled.balances().values.map(\.total).sum()
        let book = settled.book
        #expect(book[.master] == owned + book[.suspense] + book[.deposit] + book[.inTransitOut])
    }

    @Test func `a posting that does not balance is noticed for ever, one that overdraws is not made`() {
        var book = BankBook(market: "M")
        #expect(throws: Never.self) { try book.post([(.master, Fen(10)), (.deposit, Fen(10))]) }
        let refusal = #expect(throws: BankRefusal.self) {
            try book.post([(.withdrawable(account: "A"), Fen(-1)), (.inTransitOut, Fen(1))])
        }
        #expect(refusal?.code == "100201")
        #expect(book[.inTransitOut] == .zero)
        #expect(book.isSound)
        #expect(throws: Never.self) { try book.post([(.master, Fen(1))]) }
        #expect(!book.isSound)
        #expect(throws: Never.self) { try book.post([(.master, Fen(-1))]) }
        #expect(!book.isSound)
    }

    @Test func `the same number with the same content happens once, with other content never`() {
        var desk = Desk()
        let account = desk.openMerchant("SUB")
        let order = desk.order("O1", [(account, 100)])
        let first = desk.ask("ORD.SYNC", order, number: "X")
        let again = desk.ask("ORD.SYNC", order, number: "X")
        #expect(first.code == "000000")
        #expect(!first.isDuplicate)
        #expect(again.isDuplicate)
        #expect(again.bankNumber == first.bankNumber)
        #expect(desk.ask("ORD.SYNC", desk.order("O1", [(account, 101)]), number: "X").code == "200002")
        #expect(desk.ask("WDR.CREATE", order, number: "X").code == "200002")
        #expect(desk.market.book[.receivable] == Fen(100))
    }

    @Test(arguments: [
        ("1", "100001"), ("1.0", "100001"), ("1.000", "100001"), ("-1.00", "100001"), ("0.00", "100001"),
        ("1e2", "100001"), ("01.00", "100001"), ("1.00", "000000"),
    ])
    func `an amount is yuan with exactly two decimals`(text: String, code: String) {
        var desk = Desk()
        let account = desk.openMerchant("SUB")
        let body: JSON = [
            "mainOrderNo": "O", "totalAmt": .string(text),
            "subOrders": [
                [
                    "subOrderNo": "O-01", "payeeSubAcct": .string(account), "amt": .string(text),
                    "splits": [["splitNo": "S", "acct": .string(account), "amt": .string(text)]],
                ]
            ],
        ]
        #expect(desk.ask("ORD.SYNC", body).code == code)
    }

    @Test func `splits must sum to their sub-order, and receipts belong to one order`() {
        var desk = Desk()
        let account = desk.openMerchant("SUB")
        var body = desk.order("O1", [(account, 100)])
        if case .object(let members) = body {
            body = .object(members.map { $0.name == "totalAmt" ? .init("totalAmt", "1.01") : $0 })
        }
        #expect(desk.ask("ORD.SYNC", body).code == "100210")
        #expect(desk.ask("ORD.SYNC", desk.order("O1", [(account, 100)])).code == "000000")
        guard case .object(let members) = desk.order("O2", [(account, 100)]) else { return }
        let stolen = JSON.object(members.map { $0.name == "channelOrderNo" ? .init("channelOrderNo", "CO1") : $0 })
        #expect(desk.ask("ORD.SYNC", stolen).code == "100207")
        #expect(desk.ask("ORD.SYNC", desk.order("O3", [("nobody", 100)])).code == "100206")
    }
}

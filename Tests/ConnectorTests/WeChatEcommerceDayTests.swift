import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

/// A whole day of a platform at 收付通, from applications to bills, in which no fen is lost or made.
@Suite struct WeChatEcommerceDayTests {
    typealias World = WeChatPayWorld

    /// A platform with two sellers that it opened itself, and an outside supplier.
    private struct Day: Sendable {
        let world: World
        let custodian: WeChatEcommerce
        let tea: String
        let cups: String
        static let supplier = "1900008888"
        static let date = BusinessDate("2026-10-05")

        /// The simulator's state, whose books balance, and whose balances are those the custodian answers.
        @discardableResult
        func checked() async throws -> JSON {
            let state = try await world.control("GET", "/merchants/\(World.mchid)")
            let books = try #require(state["books"])
            #expect(books["balanced"]?.bool == true, "\(books.text)")
            var total = Fen.zero
            for account in [tea, cups, World.mchid] {
                let balance = try await custodian.queryBalance(of: account, serial: "Q").answer()
                let held = state["accounts"]?[account]?["held_fen"]?.integer ?? 0
                let available = state["accounts"]?[account]?["available_fen"]?.integer ?? 0
                #expect(balance.available == Fen(available) && balance.frozen == Fen(held))
                #expect(balance.total == Fen(available + held))
                total += balance.total
            }
            #expect(books["kept_fen"]?.integer == total.value)
            return state
        }

        func collect(_ order: OrderRegistration) async throws {
            let collection = CollectionInstruction(
                order: order, method: .native, description: "茶, 两件",
                expiresAt: world.simulator.clock.now(of: World.mchid) + .seconds(1800))
            _ = try await custodian.collect(collection, serial: "C").answer()
        }

        /// The buyer pays, and the callback is read as it came in.
        func paid(_ order: OrderRegistration) async throws {
            try await world.control(
                "POST", "/pay", ["mchid": .string(World.mchid), "combine_out_trade_no": .string(order.number)])
            let request = try #require(world.inbox.requests(to: "/callback").last)
            _ = try WeChatPayCallback.verify(
                headers: request.headers, body: request.body, link: world.link, now: SimulatorClock.realNow())
            guard case .collection(number: order.number, let collection) = try custodian.notice(in: request.body),
                case .paid = collection.state
            else {
                Issue.record("not told of \(order.number)")
                return
            }
            #expect(collection.amount == order.amount)
            // A hint: what counts is what is asked for.
            #expect(try await custodian.queryCollection(number: order.number, serial: "Q").answer() == collection)
        }

        func outcome(
            _ operation: CustodianOperation, _ number: String, order: String? = nil, parent: String? = nil,
            account: String? = nil
        ) async throws -> CustodianResult.State {
            try await custodian.query(
                operation, serial: "Q", sentOn: try #require(Day.date),
                about: InstructionSubject(
                    number: number, orderNumber: order, parentNumber: parent, account: account)
            ).answer().state
        }
    }

    /// Opens two sellers, whose applications go through their states by themselves.
    private static func with(_ body: @Sendable (Day) async throws -> Void) async throws {
        try await World.with(kind: "ecommerce", registering: [.init("applyments_move", true)]) { world in
            try await world.setClock("2026-10-05T09:00:00+08:00")
            let custodian = try WeChatEcommerce(
                link: world.link, callbackURL: world.callbackURL,
                outbound: Outbound(client: .shared, timeout: .seconds(5)), clock: { SimulatorClock.realNow() })
            var numbers: [String] = []
            for shop in ["TEA", "CUPS"] {
                let licence = MaterialUpload(
                    kind: .licence, fileName: "licence.jpg", contentType: "image/jpeg",
                    bytes: [0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3])
                let material = try await custodian.uploadMaterial(licence, serial: "M").answer()
                #expect(!material.fileID.isEmpty)
                _ = try await custodian.openSubMerchant(WeChatEcommerceTests.opening(shop), serial: "O").answer()
            }
            try await world.setClock("2026-10-05T09:10:00+08:00")
            for shop in ["TEA", "CUPS"] {
                let found = try await custodian.querySubMerchant(number: shop, serial: "Q").answer()
                #expect(found.state == .active)
                numbers.append(try #require(found.subAccount))
                let account = try await custodian.settlementAccount(of: try #require(numbers.last)).answer()
                #expect(account?.maskedNumber.hasSuffix("0123") == true && account?.verification == .succeeded)
            }
            for (account, relation) in [(World.mchid, "PLATFORM"), (Day.supplier, "SUPPLIER")] {
                let receiver = SplitReceiver(kind: .merchant, account: account, name: "公司", relation: relation)
                _ = try await custodian.addReceiver(receiver, serial: "A").answer()
            }
            try await body(Day(world: world, custodian: custodian, tea: numbers[0], cups: numbers[1]))
        }
    }

    private static func order(_ number: String, _ parts: [(account: String, amount: Int64)]) -> OrderRegistration {
        OrderRegistration(
            number: number, amount: Fen(parts.map(\.amount).reduce(0, +)),
            parts: parts.enumerated().map { index, part in
                .init(
                    number: String(index + 1), account: part.account, amount: Fen(part.amount),
                    isCommission: part.account == World.mchid)
            },
            payment: nil)
    }

    @Test func `a day begins with applications and ends with bills, and every fen is where the books say`() async throws
    {
        try await Self.with { day in
            let (world, custodian) = (day.world, day.custodian)
            let both = Self.order("DAYORDER1", [(day.tea, 7001), (day.cups, 2998), (World.mchid, 999)])
            let single = Self.order("DAYORDER2", [(day.cups, 20_000), (World.mchid, 2000)])
            let closed = Self.order("DAYORDER3", [(day.tea, 500)])
            for order in [both, single, closed] { try await day.collect(order) }
            try await day.paid(both)
            try await day.paid(single)
            #expect(try await custodian.closeCollection(number: "DAYORDER3", serial: "X").answer().state == .succeeded)
            var state = try await day.checked()
            #expect(state["paid_fen"]?.integer == 32_998)

            // The first order is split at once; of the second a supplier gets its part before the rest is set free.
            try await world.setClock("2026-10-05T09:20:00+08:00")
            let split = SplitInstruction(number: "SPLIT1", orderNumber: "DAYORDER1", items: both.parts, isLast: true)
            _ = try await custodian.split(split, serial: "S").answer()
            let supplier = SplitInstruction(
                number: "SPLIT2", orderNumber: "DAYORDER2",
                items: [
                    .init(number: "1", account: Day.supplier, amount: Fen(500), isCommission: false),
                    .init(number: "2", account: World.mchid, amount: Fen(2000), isCommission: true),
                ], isLast: false)
            _ = try await custodian.split(supplier, serial: "S").answer()
            try await day.checked()
            try await world.setClock("2026-10-05T09:30:00+08:00")
            #expect(try await day.outcome(.split, "SPLIT1", order: "DAYORDER1") == .succeeded)
            #expect(try await day.outcome(.split, "SPLIT2", order: "DAYORDER2") == .succeeded)
            let confirmation = SettlementConfirmation(number: "FINISH1", orderNumber: "DAYORDER2", parts: [])
            #expect(try await custodian.confirmSettlement(confirmation, serial: "F").answer().state == .succeeded)
            for number in ["DAYORDER1", "DAYORDER2"] {
                let order = try await custodian.queryOrder(number: number, serial: "Q").answer()
                #expect(order.state == .finished && order.held == .zero)
            }
            state = try await day.checked()
            #expect(state["accounts"]?[World.mchid]?["available_fen"]?.integer == 2999)

            // A part of the second goes back to the buyer, after the platform gave its share back.
            let reversal = SplitReversal(
                number: "BACK1", splitNumber: "SPLIT2", orderNumber: "DAYORDER2",
                items: [.init(partNumber: "2", account: World.mchid, amount: Fen(100))])
            #expect(try await custodian.reverseSplit(reversal, serial: "R").answer().state == .succeeded)
            let refund = RefundRegistration(
                number: "REFUND1", orderNumber: "DAYORDER2", amount: Fen(1100),
                giveBack: [
                    .init(partNumber: "1", account: day.cups, amount: Fen(1000)),
                    .init(partNumber: "2", account: World.mchid, amount: Fen(100)),
                ])
            _ = try await custodian.refund(refund, serial: "R").answer()
            try await world.setClock("2026-10-05T09:40:00+08:00")
            #expect(try await day.outcome(.refund, "REFUND1", order: "DAYORDER2") == .succeeded)
            state = try await day.checked()
            #expect(state["refunded_fen"]?.integer == 1100)

            try await Self.withdraw(day)
            try await Self.compareBills(day)
            try await Self.returned(day)
        }
    }

    /// Everybody's money leaves on the same day; that of one comes back two days later.
    private static func withdraw(_ day: Day) async throws {
        let (world, custodian) = (day.world, day.custodian)
        func withdrawal(_ number: String, _ account: String, _ amount: Fen) -> WithdrawalInstruction {
            WithdrawalInstruction(number: number, subAccount: account, bindingNumber: "", amount: amount, memo: "货款")
        }
        let tea = try await custodian.queryBalance(of: day.tea, serial: "Q").answer().withdrawable
        try await world.fault(
            "withdraw_result", "returned", [.init("after_days", 2), .init("match", ["serial": "WTEA1"])])
        _ = try await custodian.withdraw(withdrawal("WTEA1", day.tea, tea), serial: "W").answer()
        _ = try await custodian.withdraw(withdrawal("WCUPS1", day.cups, Fen(10_000)), serial: "W").answer()
        _ = try await custodian.withdraw(withdrawal("WOWN1", World.mchid, Fen(2899)), serial: "W").answer()
        #expect(await custodian.withdraw(withdrawal("WTEA2", day.tea, Fen(1)), serial: "W").refusalCode == "NOT_ENOUGH")
        try await day.checked()
        try await world.setClock("2026-10-05T09:50:00+08:00")
        #expect(try await day.outcome(.withdraw, "WTEA1", account: day.tea) == .succeeded)
        #expect(try await day.outcome(.withdraw, "WCUPS1", account: day.cups) == .succeeded)
        // The platform's own is done on the next day.
        #expect(try await day.outcome(.withdraw, "WOWN1", account: World.mchid) == .processing(finishBy: nil))
        let state = try await day.checked()
        #expect(state["books"]?["withdrawn_fen"]?.integer == tea.value + 12_899)
    }

    private static func lines(_ answer: BillAnswer) throws -> [StatementLine] {
        guard case .file(let file) = answer else {
            Issue.record("no bill: \(answer)")
            return []
        }
        return try StatementContent(reading: file, from: .weChatPay).lines
    }

    /// The day's bills say what the simulator's state says, and what the custodian said at the day's end.
    private static func compareBills(_ day: Day) async throws {
        let (world, custodian) = (day.world, day.custodian)
        let date = try #require(Day.date)
        let state = try await world.control("GET", "/merchants/\(World.mchid)")
        try await world.setClock("2026-10-06T09:59:00+08:00")
        #expect(try await custodian.file(.receipts, of: date, serial: "Q").answer().isNotReady)
        try await world.setClock("2026-10-06T10:00:00+08:00")
        #expect(try await day.outcome(.withdraw, "WOWN1", account: World.mchid) == .succeeded)

        let trades = try lines(try await custodian.file(.receipts, of: date, serial: "Q").answer())
        #expect(trades.filter { $0.kind == .payment }.map(\.amount).sum().value == state["paid_fen"]?.integer)
        #expect(
            abs(trades.filter { $0.kind == .refund }.map(\.amount).sum().value) == state["refunded_fen"]?.integer)
        #expect(trades.map(\.reference).sorted() == ["DAYORDER1-1", "DAYORDER1-2", "DAYORDER2-1", "REFUND1"])

        // Splits and what came back of them, by our numbers.
        var shared: [StatementLine] = []
        for account in [day.tea, day.cups] {
            let channel = try world.connector { $0.partner?.subMchid = account }
            shared += try lines(try await channel.fetch(.profitSharing, of: date, into: .ofTests).answer())
        }
        let splits = (state["splits"]?.array ?? []).compactMap { $0["split_fen"]?.integer }.reduce(0, +)
        let back = shared.filter { $0.reference.hasPrefix("BACK1") }.map(\.amount).sum()
        #expect(shared.map(\.amount).sum() - back == Fen(splits) && back == Fen(100))

        // The accounts of both sellers, in one sealed bill; each ends with what it had at midnight.
        let sealed = await world.channel.fetchSubMerchantFundFlow(of: date, subMchid: nil, into: .ofTests)
        let flows = try lines(try sealed.answer())
        for account in [day.tea, day.cups] {
            let own = flows.filter { $0.details["二级商户号"] == account }
            let end = try await custodian.queryDayEndBalance(of: account, on: date, serial: "Q").answer()
            #expect(!own.isEmpty && own.map(\.amount).sum() == end.total)
            #expect(own.last?.details["账户结余(元)"] == end.total.yuan)
            let alone = await world.channel.fetchSubMerchantFundFlow(
                of: date, subMchid: account, into: .ofTests)
            #expect(try lines(try alone.answer()).map(\.amount) == own.map(\.amount))
        }
        let platform = try lines(
            try await world.channel.fetch(.fundFlow(account: "BASIC"), of: date, into: .ofTests).answer())
        let end = try await custodian.queryDayEndBalance(of: World.mchid, on: date, serial: "Q").answer()
        #expect(platform.map(\.amount).sum() == end.total && end.total == .zero)
    }

    /// What a bank sends back is the seller's again, on its day, and goes out once more.
    private static func returned(_ day: Day) async throws {
        let (world, custodian) = (day.world, day.custodian)
        try await world.setClock("2026-10-07T09:55:00+08:00")
        guard case .returned(_, let date, _) = try await day.outcome(.withdraw, "WTEA1", account: day.tea) else {
            Issue.record("not returned")
            return
        }
        #expect(date == BusinessDate("2026-10-07"))
        let request = try #require(world.inbox.requests(to: "/callback").last)
        guard case .instruction(.withdraw, serial: "WTEA1", let told) = try custodian.notice(in: request.body),
            case .returned = told.state
        else {
            Issue.record("the return was not told")
            return
        }
        let state = try await day.checked()
        let tea = try await custodian.queryBalance(of: day.tea, serial: "Q").answer().withdrawable
        #expect(tea > .zero)
        #expect(state["books"]?["withdrawn_fen"]?.integer == 12_899)
        // Under a new number: the old one is used up.
        let again = WithdrawalInstruction(
            number: "WTEA3", subAccount: day.tea, bindingNumber: "", amount: tea, memo: "货款")
        _ = try await custodian.withdraw(again, serial: "W").answer()
        try await world.setClock("2026-10-08T10:00:00+08:00")
        #expect(try await day.outcome(.withdraw, "WTEA3", account: day.tea) == .succeeded)
        guard
            case .file(let file) = try await custodian.file(
                .returns, of: try #require(BusinessDate("2026-10-07")), serial: "Q"
            ).answer()
        else {
            Issue.record("the return stands in no file")
            return
        }
        var plain: [UInt8] = []
        try file.unpacked { plain.append(contentsOf: $0) }
        let text = String(decoding: plain, as: UTF8.self)
        #expect(text.contains("`WTEA1,`\(tea.yuan),`REFUND") && !text.contains("WCUPS1"))
        let books = try #require(try await day.checked()["books"])
        // All that buyers paid: fees, what went back, what a supplier got, what was paid out, and what is left.
        let left = 32_998 - 1100 - 500 - (tea.value + 12_899)
        #expect(books["fees_fen"]?.integer == left - (books["kept_fen"]?.integer ?? 0))
        #expect(books["outside_fen"]?.integer == 500)
    }
}

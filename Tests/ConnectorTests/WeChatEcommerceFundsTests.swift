import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

/// What only 收付通 has: additions to orders, withdrawals of a day's end, closing with money, and its own notices.
@Suite struct WeChatEcommerceFundsTests {
    typealias World = WeChatPayWorld
    private typealias Subsidy = WeChatEcommerce.SubsidyInstruction

    private static func deposit(_ world: World, _ amount: Int64, toPlatform: Bool = false) async throws {
        try await world.control(
            "POST", "/sub-merchants",
            [
                "merchant": .string(World.mchid), "sub_mchid": .string(World.subMchid),
                "add_available_fen": JSON(amount), "to_platform": .bool(toPlatform),
            ])
    }

    private static func balanced(_ world: World) async throws {
        let books = try await world.control("GET", "/merchants/\(World.mchid)")["books"]
        #expect(books?["balanced"]?.bool == true, "\(books?.text ?? "")")
    }

    /// Collects an order of one payee, to which something is to be added.
    private static func collected(
        _ world: World, _ custodian: WeChatEcommerce, _ number: String, _ subsidies: [String: Fen]
    ) async throws {
        let order = OrderRegistration(
            number: number, amount: Fen(10_000),
            parts: [.init(number: "1", account: World.subMchid, amount: Fen(10_000), isCommission: false)],
            payment: nil)
        let collection = CollectionInstruction(
            order: order, method: .native, description: "茶",
            expiresAt: world.simulator.clock.now(of: World.mchid) + .seconds(3600))
        _ = try await custodian.collect(collection, subsidies: subsidies, serial: "C").answer()
        try await world.control(
            "POST", "/pay", ["mchid": .string(World.mchid), "combine_out_trade_no": .string(number)])
    }

    @Test func `what a platform adds is there before the split, and goes back with a refund`() async throws {
        try await WeChatEcommerceTests.with { world, custodian in
            func subsidy(
                _ number: String, _ order: String, _ amount: Int64, refund: String? = nil, from: RefundSource? = nil
            ) -> Subsidy {
                Subsidy(
                    number: number, orderNumber: order, account: World.subMchid, amount: Fen(amount), memo: "平台补贴",
                    refundNumber: refund, source: from)
            }
            try await Self.collected(world, custodian, "ADDED0001", [World.subMchid: Fen(500)])
            try await world.setClock("2026-10-05T12:02:00+08:00")
            let split = SplitInstruction(
                number: "SPLIT1", orderNumber: "ADDED0001",
                items: [.init(number: "1", account: World.mchid, amount: Fen(1000), isCommission: true)], isLast: true)
            #expect(await custodian.split(split, serial: "S").refusalCode == "INVALID_REQUEST")
            #expect(await custodian.subsidise(subsidy("A1", "ADDED0001", 500)).refusalCode == "NOT_ENOUGH")
            try await Self.deposit(world, 2000, toPlatform: true)
            #expect(await custodian.subsidise(subsidy("A1", "ADDED0001", 501)).refusalCode == "PARAM_ERROR")
            #expect(await custodian.subsidise(subsidy("A1", "NOORDER01", 500)).refusalCode == "ORDER_NOT_EXIST")
            let added = try await custodian.subsidise(subsidy("A1", "ADDED0001", 500)).answer()
            #expect(added.state == .succeeded && added.bankNumber != nil)
            #expect(try await custodian.subsidise(subsidy("A1", "ADDED0001", 500)).answer() == added)
            #expect(try await world.funds(World.mchid) == World.Funds(1500, 0))
            #expect(try await world.funds(World.subMchid) == World.Funds(0, 10_440))
            let held = try await custodian.queryOrder(number: "ADDED0001", serial: "Q").answer().held
            #expect(held == Fen(10_440))

            let refund = RefundRegistration(
                number: "REFUND1", orderNumber: "ADDED0001", amount: Fen(1000),
                giveBack: [.init(partNumber: "1", account: World.subMchid, amount: Fen(1000))])
            #expect(await custodian.returnSubsidy(subsidy("B1", "ADDED0001", 50)).refusalCode == "PARAM_ERROR")
            #expect(
                await custodian.returnSubsidy(subsidy("B1", "ADDED0001", 50, refund: "REFUND1")).refusalCode
                    == "RESOURCE_NOT_EXISTS")
            _ = try await custodian.refund(refund, serial: "R").answer()
            #expect(
                await custodian.returnSubsidy(subsidy("B1", "ADDED0001", 50, refund: "REFUND1", from: .available))
                    .refusalCode == "NOT_ENOUGH")
            let back = try await custodian.returnSubsidy(
                subsidy("B1", "ADDED0001", 50, refund: "REFUND1", from: .held)
            ).answer()
            #expect(back.state == .succeeded)
            #expect(
                try await custodian.returnSubsidy(subsidy("B1", "ADDED0001", 50, refund: "REFUND1", from: .held))
                    .answer() == back)
            #expect(try await world.funds(World.mchid) == World.Funds(1550, 0))
            #expect(try await custodian.split(split, serial: "S").answer().state == .processing(finishBy: nil))
            #expect(
                await custodian.cancelSubsidy(orderNumber: "ADDED0001", account: World.subMchid, memo: "x").refusalCode
                    == "INVALID_REQUEST")
            try await Self.balanced(world)
        }
    }

    @Test func `an addition is cancelled after a refund, and goes to a payee alone`() async throws {
        try await WeChatEcommerceTests.with { world, custodian in
            try await Self.collected(world, custodian, "CANCEL001", [World.subMchid: Fen(500)])
            func cancel() async -> Reply<CustodianResult> {
                await custodian.cancelSubsidy(orderNumber: "CANCEL001", account: World.subMchid, memo: "退货")
            }
            #expect(await cancel().refusalCode == "INVALID_REQUEST")
            let refund = RefundRegistration(
                number: "REFUND2", orderNumber: "CANCEL001", amount: Fen(100),
                giveBack: [.init(partNumber: "1", account: World.subMchid, amount: Fen(100))])
            _ = try await custodian.refund(refund, serial: "R").answer()
            #expect(try await cancel().answer().state == .succeeded)
            let late = Subsidy(
                number: "A2", orderNumber: "CANCEL001", account: World.subMchid, amount: Fen(500), memo: "x")
            #expect(await custodian.subsidise(late).refusalCode == "INVALID_REQUEST")
            let stranger = Subsidy(
                number: "A3", orderNumber: "CANCEL001", account: World.mchid, amount: Fen(500), memo: "x")
            #expect(await custodian.subsidise(stranger).refusalCode == "NO_PAYEE")
            let order = OrderRegistration(
                number: "NOBODY001", amount: Fen(100),
                parts: [.init(number: "1", account: World.subMchid, amount: Fen(100), isCommission: false)],
                payment: nil)
            let collection = CollectionInstruction(
                order: order, method: .native, description: "茶",
                expiresAt: world.simulator.clock.now(of: World.mchid) + .seconds(3600))
            #expect(
                await custodian.collect(collection, subsidies: ["1900009999": Fen(1)], serial: "C").refusalCode
                    == "NO_PAYEE")
        }
    }

    @Test func `an order in its first minute is refused for now only`() async throws {
        try await WeChatEcommerceTests.with { world, custodian in
            try await Self.collected(world, custodian, "MINUTE001", [:])
            let split = SplitInstruction(
                number: "SPLIT9", orderNumber: "MINUTE001",
                items: [.init(number: "1", account: World.mchid, amount: Fen(1), isCommission: true)], isLast: true)
            guard case .refused(let refusal) = await custodian.split(split, serial: "S") else {
                Issue.record("split within a minute")
                return
            }
            #expect(refusal.standing == .forNow(retryAfter: .seconds(60)))
            try await world.setClock("2026-10-05T12:02:00+08:00")
            _ = try await custodian.split(split, serial: "S").answer()
        }
    }

    @Test func `what there was at the day's end is paid out, fails in part, and comes back`() async throws {
        try await WeChatEcommerceTests.with { world, custodian in
            typealias Withdrawal = WeChatEcommerce.DayEndWithdrawal
            try await Self.deposit(world, 5000)
            try await world.setClock("2026-10-06T09:30:00+08:00")
            let first = Withdrawal(number: "D1", subAccount: World.subMchid, reserve: Fen(1000), memo: "货款")
            guard case .refused(let early) = await custodian.withdrawDayEndBalance(first) else {
                Issue.record("before ten")
                return
            }
            #expect(early.standing == .forNow(retryAfter: .seconds(1800)))
            try await world.setClock("2026-10-06T10:30:00+08:00")
            let unknown = try await custodian.queryDayEndWithdrawal(number: "D1", account: World.subMchid).answer()
            #expect(unknown == nil)
            try await world.fault("day_end_withdraw_result", "failed", [.init("fail_fen", 1500)])
            let accepted = try await custodian.withdrawDayEndBalance(first).answer()
            #expect(accepted.state == .created && accepted.total == Fen(4000))
            #expect(try await custodian.withdrawDayEndBalance(first).answer() == accepted)
            let other = Withdrawal(number: "D1", subAccount: World.subMchid, memo: "货款")
            guard case .refused(let taken) = await custodian.withdrawDayEndBalance(other) else {
                Issue.record("the number of another")
                return
            }
            #expect(taken.standing == .numberTaken)
            let second = Withdrawal(number: "D2", subAccount: World.subMchid, memo: "货款")
            #expect(await custodian.withdrawDayEndBalance(second).refusalCode == "NOT_ENOUGH")
            try await world.setClock("2026-10-06T10:32:00+08:00")
            let part = try #require(
                try await custodian.queryDayEndWithdrawal(number: "D1", account: World.subMchid).answer())
            #expect(part.state == .abnormal && part.succeeded == Fen(2500) && part.failed == Fen(1500))
            guard case .failed = part.result.state else {
                Issue.record("\(part.result)")
                return
            }
            try await world.fault("day_end_withdraw_result", "returned", [.init("after_days", 1)])
            let less = Withdrawal(number: "D3", subAccount: World.subMchid, mayTakeLess: true, memo: "货款")
            #expect(try await custodian.withdrawDayEndBalance(less).answer().total == Fen(2500))
            try await world.setClock("2026-10-06T10:34:00+08:00")
            let done = try await custodian.queryDayEndWithdrawal(number: "D3", account: World.subMchid).answer()
            #expect(done?.result.state == .succeeded)
            try await world.setClock("2026-10-07T10:34:00+08:00")
            let back = try await custodian.queryDayEndWithdrawal(number: "D3", account: World.subMchid).answer()
            #expect(back?.returned == Fen(2500))
            guard case .returned(_, let day, _) = back?.result.state else {
                Issue.record("not returned")
                return
            }
            #expect(day == BusinessDate("2026-10-07"))
            try await Self.balanced(world)
            let notices = try world.inbox.requests(to: "/callback").map { try custodian.notice(in: $0.body) }
            let states = notices.compactMap { notice -> String? in
                guard case .instruction(.withdraw, let serial, let result) = notice else { return nil }
                return switch result.state {
                case .failed: "\(serial) failed"
                case .succeeded: "\(serial) succeeded"
                case .returned: "\(serial) returned"
                default: nil
                }
            }
            #expect(states == ["D1 failed", "D3 succeeded", "D3 returned"])
            try await world.fault("query_day_end_withdraw", "unknown_state")
            #expect(
                await custodian.queryDayEndWithdrawal(number: "D3", account: World.subMchid).doubt == .malformedAnswer)
        }
    }

    private static func payee(isCorporate: Bool = true) -> WeChatEcommerce.ClosingPayee {
        WeChatEcommerce.ClosingPayee(
            account: AccountBinding(
                subAccount: World.subMchid, isCorporate: isCorporate, accountNumber: "6222021234567890123",
                accountName: "茶铺有限公司", bankName: "工商银行", mobile: "13800138000", verification: .none),
            idNumber: isCorporate ? nil : "110101199003070011")
    }

    @Test(arguments: [true, false])
    func `a sub-merchant is closed, and its money follows it`(_ isCorporate: Bool) async throws {
        try await WeChatEcommerceTests.with { world, custodian in
            try await Self.deposit(world, 4000)
            let payee = Self.payee(isCorporate: isCorporate)
            let check = try await custodian.checkClosing(of: World.subMchid).answer()
            #expect(check.isAllowed && !check.isClosed && check.balance == Fen(4000) && check.blocks.isEmpty)
            #expect(
                await custodian.closeAndWithdraw(
                    number: "CLOSE0", subMchid: World.subMchid, to: payee, withdrawing: false
                ).refusalCode == "INVALID_REQUEST")
            #expect(
                await custodian.closeAndWithdraw(number: "CLOSE-1", subMchid: World.subMchid, to: payee).refusalCode
                    == "PARAM_ERROR")
            #expect(try await custodian.queryClosing(number: "CLOSE1").answer() == nil)
            let number = try await custodian.closeAndWithdraw(number: "CLOSE1", subMchid: World.subMchid, to: payee)
                .answer()
            #expect(
                try await custodian.closeAndWithdraw(number: "CLOSE1", subMchid: World.subMchid, to: payee).answer()
                    == number)
            func confirm() async -> Reply<CustodianResult> {
                await custodian.confirmClosing(
                    number: "CLOSE1", subMchid: World.subMchid, by: "op-7",
                    at: world.simulator.clock.now(of: World.mchid), contractVersion: "1")
            }
            #expect(await confirm().refusalCode == "INVALID_REQUEST")
            try await world.setClock("2026-10-05T12:05:00+08:00")
            let waiting = try #require(try await custodian.queryClosing(number: "CLOSE1").answer())
            #expect(waiting.state == .waitingForConfirmation && waiting.confirmationURL != nil)
            #expect(waiting.bankNumber == number && waiting.amount == Fen(4000) && waiting.payments.isEmpty)
            if !isCorporate { try await world.fault("closing_payment_result", "failed") }
            #expect(try await confirm().answer().state == .processing(finishBy: nil))
            try await world.setClock("2026-10-05T12:06:30+08:00")
            let paying = try #require(try await custodian.queryClosing(number: "CLOSE1").answer())
            #expect(paying.state == .paying && paying.payments == [.processing])
            try await Self.balanced(world)
            try await world.setClock("2026-10-05T12:08:00+08:00")
            let done = try #require(try await custodian.queryClosing(number: "CLOSE1").answer())
            #expect(done.state == .finished && done.payments == [isCorporate ? .succeeded : .failed])
            #expect(try await world.funds(World.subMchid).available == (isCorporate ? 0 : 4000))
            let after = try await custodian.checkClosing(of: World.subMchid).answer()
            #expect(after.isClosed && !after.isAllowed)
            #expect(refusalCode(await world.channel.pay(world.order("CLOSED001"))) == "NO_AUTH")
            try await Self.balanced(world)
            try await world.fault("query_closing", "unknown_state")
            #expect(await custodian.queryClosing(number: "CLOSE1").doubt == .malformedAnswer)
        }
    }

    @Test func `what blocks a closing is said before and after it is asked for`() async throws {
        try await WeChatEcommerceTests.with { world, custodian in
            try await Self.collected(world, custodian, "BLOCKED01", [:])
            let check = try await custodian.checkClosing(of: World.subMchid).answer()
            #expect(!check.isAllowed && check.blocks.map(\.code) == ["FUNDS_PENDING_PROCESSING"])
            _ = try await custodian.closeAndWithdraw(number: "CLOSE2", subMchid: World.subMchid, to: Self.payee())
                .answer()
            try await world.setClock("2026-10-05T12:05:00+08:00")
            let refused = try #require(try await custodian.queryClosing(number: "CLOSE2").answer())
            #expect(refused.state == .rejected && !refused.text.isEmpty)
            #expect(await custodian.checkClosing(of: "1900009999").refusalCode == "NO_AUTH")
        }
    }

    @Test func `violations are told where we say, and profit shared where we receive`() async throws {
        try await World.with(kind: "ecommerce") { world in
            let custodian = try WeChatEcommerce(
                link: world.link, callbackURL: world.callbackURL,
                outbound: Outbound(client: .shared, timeout: .seconds(5)), clock: { SimulatorClock.realNow() })
            #expect(try await custodian.violationURL().answer() == nil)
            #expect(await custodian.setViolationURL("http://a.example/?x=1").refusalCode == "PARAM_ERROR")
            for _ in 0..<2 {
                #expect(try await custodian.setViolationURL(world.callbackURL).answer() == world.callbackURL)
            }
            #expect(try await custodian.violationURL().answer() == world.callbackURL)
            let told = try await world.control(
                "POST", "/violations",
                [
                    "merchant": .string(World.mchid), "sub_mchid": .string(World.subMchid),
                    "punish_plan": "关闭提现权限", "frozen": true,
                ])
            let body = try #require(world.inbox.requests(to: "/callback").last).body
            #expect(try custodian.notice(in: body) == .other("VIOLATION.PUNISH"))
            let violation = try #require(try custodian.violation(in: body))
            #expect(violation.event == .punished && violation.subMchid == World.subMchid)
            #expect(violation.recordNumber == told["record_id"]?.string && violation.plan == "关闭提现权限")
            #expect(violation.at != nil && violation.riskType == "PROHIBITED_BUSINESS_CATEGORIES")
            #expect(try custodian.profitSharingNotice(in: body) == nil)
            for _ in 0..<2 { #expect(try await custodian.removeViolationURL().answer().state == .succeeded) }
            #expect(try await custodian.violationURL().answer() == nil)
        }
        let inbox = WeChatPayWorld.Inbox()
        let receiver = SimulatorServer { inbox.take($0) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await receiver.run() }
            let url = "http://127.0.0.1:\(try await receiver.boundPort())/shared"
            try await World.with(kind: "ecommerce", registering: [.init("profit_sharing_url", .string(url))]) { world in
                try await world.setClock("2026-10-05T12:00:00+08:00")
                let custodian = try WeChatEcommerce(
                    link: world.link, callbackURL: world.callbackURL,
                    outbound: Outbound(client: .shared, timeout: .seconds(5)), clock: { SimulatorClock.realNow() })
                let platform = SplitReceiver(kind: .merchant, account: World.mchid, name: "平台", relation: "PLATFORM")
                _ = try await custodian.addReceiver(platform, serial: "A").answer()
                try await Self.collected(world, custodian, "SHARED001", [:])
                try await world.setClock("2026-10-05T12:02:00+08:00")
                let split = SplitInstruction(
                    number: "SPLIT1", orderNumber: "SHARED001",
                    items: [.init(number: "1", account: World.mchid, amount: Fen(1000), isCommission: true)],
                    isLast: true)
                _ = try await custodian.split(split, serial: "S").answer()
                try await world.setClock("2026-10-05T12:03:00+08:00")
                let reversal = SplitReversal(
                    number: "BACK1", splitNumber: "SPLIT1", orderNumber: "SHARED001",
                    items: [.init(partNumber: "1", account: World.mchid, amount: Fen(300))])
                #expect(try await custodian.reverseSplit(reversal, serial: "R").answer().state == .succeeded)
                try await world.setClock("2026-10-05T12:04:00+08:00")
                let notices = try inbox.requests(to: "/shared").map { try custodian.profitSharingNotice(in: $0.body) }
                #expect(notices.map(\.?.isReturn) == [false, true])
                #expect(notices.map(\.?.number) == ["SPLIT1", "BACK1"])
                #expect(notices.map(\.?.holder) == [World.mchid, World.subMchid])
                #expect(notices.map(\.?.amount) == [Fen(1000), Fen(300)])
                // Under the platform's key, and yet about another platform's order.
                let stranger = try WeChatEcommerce(
                    link: { link in
                        var link = link
                        link.mchid = "1900000999"
                        return link
                    }(world.link), callbackURL: "", outbound: Outbound(client: .shared),
                    clock: { SimulatorClock.realNow() })
                let body = try #require(inbox.requests(to: "/shared").first).body
                #expect(throws: Doubt.self) { try stranger.profitSharingNotice(in: body) }
            }
            group.cancelAll()
        }
    }

    @Test func `the platform's own withdrawal is told without a name, and is ours by its key`() async throws {
        try await WeChatEcommerceTests.with { world, custodian in
            try await Self.deposit(world, 700, toPlatform: true)
            let own = WithdrawalInstruction(
                number: "OWN1", subAccount: World.mchid, bindingNumber: "", amount: Fen(700), memo: "佣金")
            _ = try await custodian.withdraw(own, serial: "W").answer()
            try await world.setClock("2026-10-06T09:01:00+08:00")
            let body = try #require(world.inbox.requests(to: "/callback").last).body
            guard case .instruction(.withdraw, serial: "OWN1", let result) = try custodian.notice(in: body) else {
                Issue.record("no notice of the platform's own")
                return
            }
            #expect(result.state == .succeeded)
        }
    }

    @Test(arguments: ["wrong_hash", "wrong_total", "truncated", "not_ready", "empty_day"])
    func `a sealed bill that is spoiled is not believed`(_ fault: String) async throws {
        try await WeChatEcommerceTests.with { world, custodian in
            try await Self.collected(world, custodian, "SPOILED01", [:])
            try await world.setClock("2026-10-06T10:00:00+08:00")
            let day = try #require(BusinessDate("2026-10-05"))
            try await world.fault(fault == "truncated" ? "download" : "sealed_bill", fault)
            let bill = await world.channel.fetchSubMerchantFundFlow(of: day, subMchid: nil, into: .ofTests)
            switch fault {
            case "not_ready": #expect(try answered(bill).isNotReady)
            case "empty_day": #expect(try answered(bill).isEmpty)
            case "truncated": #expect(doubt(bill) == .badSignature)
            case "wrong_hash": #expect(doubt(bill) == .badHash)
            default:
                // The hash is right; the reader finds that the total is not.
                guard case .file(let file) = try answered(bill) else {
                    Issue.record("no bill")
                    return
                }
                #expect(throws: StatementDefect.self) {
                    try StatementContent(reading: file, from: .weChatPay)
                }
            }
        }
    }
}

import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

/// 电商收付通 as a custodian, against the simulated WeChat Pay over real sockets.
@Suite struct WeChatEcommerceTests {
    typealias World = WeChatPayWorld

    static let otherSub = "1900001122"

    /// A world with two sub-merchants and the platform as a receiver.
    static func with(_ body: @Sendable (World, WeChatEcommerce) async throws -> Void) async throws {
        try await World.with(kind: "ecommerce", identity: try World.sharedIdentity.get()) { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            try await world.control(
                "POST", "/sub-merchants", ["merchant": .string(World.mchid), "sub_mchid": .string(otherSub)])
            let custodian = try WeChatEcommerce(
                link: world.link, callbackURL: world.callbackURL,
                outbound: Outbound(client: .shared, timeout: .seconds(5)), clock: { SimulatorClock.realNow() })
            _ = try await custodian.addReceiver(
                SplitReceiver(kind: .merchant, account: World.mchid, name: "平台公司", relation: "PLATFORM"), serial: "A"
            ).answer()
            try await body(world, custodian)
        }
    }

    static func opening(_ number: String, _ kind: SubMerchantOpening.Kind = .company) -> SubMerchantOpening {
        var dossier = SubMerchantDossier()
        dossier.materials = [.licence: "media-1", .idPortrait: "media-2", .idEmblem: "media-3"]
        dossier.shortName = "茶铺"
        dossier.settlementAccount = AccountBinding(
            subAccount: "", isCorporate: true, accountNumber: "6222021234567890123", accountName: "茶铺有限公司",
            bankName: "工商银行", mobile: "13800138000", verification: .remittance)
        return SubMerchantOpening(
            number: number, kind: kind, name: "茶铺有限公司", certificateNumber: "91310000MA1FL0000X", legalPersonName: "张三",
            legalPersonIDNumber: "110101199003070011", contactName: "李四", contactMobile: "13800138000", dossier: dossier
        )
    }

    static func order(_ number: String, commission: Int64 = 1000) -> OrderRegistration {
        OrderRegistration(
            number: number, amount: Fen(10_000 + commission),
            parts: [
                .init(number: "1", account: World.subMchid, amount: Fen(7000), isCommission: false),
                .init(number: "2", account: otherSub, amount: Fen(3000), isCommission: false),
                .init(number: "3", account: World.mchid, amount: Fen(commission), isCommission: true),
            ],
            payment: nil)
    }

    static func collected(_ world: World, _ custodian: WeChatEcommerce, _ order: OrderRegistration) async throws {
        let collection = CollectionInstruction(
            order: order, method: .native, description: "茶",
            expiresAt: world.simulator.clock.now(of: World.mchid) + .seconds(3600))
        let first = try await custodian.collect(collection, serial: "C").answer()
        #expect(try await custodian.collect(collection, serial: "C").answer() == first)
        #expect(try await custodian.queryCollection(number: order.number, serial: "Q").answer().state == .toPay(nil))
        #expect(try await custodian.queryOrder(number: order.number, serial: "Q").answer().state == .intended)
        try await world.control(
            "POST", "/pay", ["mchid": .string(World.mchid), "combine_out_trade_no": .string(order.number)])
        guard case .paid = try await custodian.queryCollection(number: order.number, serial: "Q").answer().state else {
            Issue.record("not paid")
            return
        }
        try await world.setClock("2026-10-05T12:10:00+08:00")
    }

    @Test func `an application goes through all its states`() async throws {
        try await Self.with { world, custodian in
            func move(_ state: String, _ more: [JSON.Member] = []) async throws {
                try await world.control(
                    "POST", "/applyments",
                    .object(
                        [
                            .init("merchant", .string(World.mchid)), .init("out_request_no", "SHOP1"),
                            .init("state", .string(state)),
                        ] + more))
            }
            func state() async throws -> CustodianSubMerchant.State {
                try await custodian.querySubMerchant(number: "SHOP1", serial: "Q").answer().state
            }
            #expect(try await state() == .absent)
            let opened = try await custodian.openSubMerchant(Self.opening("SHOP1"), serial: "S1").answer()
            #expect(opened.applicationNumber != nil)
            let again = try await custodian.openSubMerchant(Self.opening("SHOP1"), serial: "S1").answer()
            #expect(again == opened)
            #expect(try await state() == .reviewing(signURL: nil))
            #expect(try await custodian.accountValidation(number: "SHOP1").answer() == nil)
            try await move("ACCOUNT_NEED_VERIFY")
            let validation = try #require(try await custodian.accountValidation(number: "SHOP1").answer())
            #expect(validation.accountNumber == "6222021234567890123" && validation.amount > .zero)
            try await move("AUDITING")
            try await move(
                "REJECTED",
                [.init("audit_detail", [["param_name": "business_license_copy", "reject_reason": "不清晰"]])])
            #expect(try await state() == .rejected([.init(field: "business_license_copy", reason: "不清晰")]))
            let asked = try await custodian.query(
                .openSubMerchant, serial: "S1", sentOn: BusinessDate(daysSinceEpoch: 20_000),
                about: InstructionSubject(number: "SHOP1")
            ).answer()
            guard case .failed = asked.state else {
                Issue.record("a rejected application is not failed")
                return
            }
            _ = try await custodian.resubmitSubMerchant(Self.opening("SHOP1"), serial: "S2").answer()
            #expect(try await state() == .reviewing(signURL: nil))
            try await move("AUDITING")
            try await move("NEED_SIGN", [.init("sub_mchid", "1900001199")])
            guard case .reviewing(signURL: .some) = try await state() else {
                Issue.record("no address to sign at")
                return
            }
            try await move("FINISH")
            let open = try await custodian.querySubMerchant(number: "SHOP1", serial: "Q").answer()
            #expect(open.state == .active && open.subAccount == "1900001199")
            try await move("FROZEN")
            #expect(try await state() == .frozen)
            try await world.fault("query_applyment", "unknown_state")
            #expect(await custodian.querySubMerchant(number: "SHOP1", serial: "Q").doubt == .malformedAnswer)
            try await move("FINISH")

            // Closed when nothing is left.
            let closing = try await custodian.closeSubMerchant(number: "SHOP1", reason: "不做了", serial: "CLOSE1")
                .answer()
            #expect(closing.state == .processing(finishBy: nil))
            try await world.setClock("2026-10-05T12:05:00+08:00")
            let closed = try await custodian.query(
                .closeSubMerchant, serial: "CLOSE1", sentOn: BusinessDate(daysSinceEpoch: 20_000)
            ).answer()
            #expect(closed.state == .succeeded)
        }
    }

    @Test func `an application may be revoked, and every kind of merchant applies`() async throws {
        try await Self.with { world, custodian in
            for kind in SubMerchantOpening.Kind.allCases {
                _ = try await custodian.openSubMerchant(Self.opening("KIND-\(kind.rawValue)", kind), serial: "S")
                    .answer()
            }
            #expect(try await custodian.revokeApplication(number: "KIND-company").answer().state == .succeeded)
            #expect(try await custodian.querySubMerchant(number: "KIND-company", serial: "Q").answer().state == .closed)
            #expect(await custodian.revokeApplication(number: "KIND-company").refusalCode == "INVALID_REQUEST")
        }
    }

    @Test(arguments: [(nil, true), ("failed", false)] as [(String?, Bool)])
    func `a settlement account is changed and reviewed`(_ fault: String?, _ isBound: Bool) async throws {
        try await Self.with { world, custodian in
            var account = AccountBinding(
                subAccount: World.subMchid, isCorporate: false, accountNumber: "6225880123456789", accountName: "张三",
                bankName: "招商银行", mobile: "13800138000", verification: .none)
            #expect(await custodian.bindAccount(account, serial: "B1").refusalCode == "AREA_CODE_MISSING")
            account.areaCode = "310000"
            if let fault { try await world.fault("settlement_result", fault) }
            let binding = try await custodian.bindAccount(account, serial: "B1").answer()
            func outcome() async throws -> CustodianResult.State {
                try await custodian.query(
                    .bindAccount, serial: "B1", sentOn: BusinessDate(daysSinceEpoch: 20_000),
                    about: InstructionSubject(number: binding.bindingNumber)
                ).answer().state
            }
            #expect(try await outcome() == .processing(finishBy: nil))
            // A second one is not taken while the first is reviewed.
            #expect(await custodian.bindAccount(account, serial: "B2").refusalCode == "INVALID_REQUEST")
            try await world.setClock("2026-10-05T12:05:00+08:00")
            let inForce = try #require(try await custodian.settlementAccount(of: World.subMchid).answer())
            #expect(inForce.maskedNumber.hasSuffix(isBound ? "6789" : "0123"))
            #expect(inForce.verification == .succeeded && inForce.isCorporate == !isBound)
            #expect(try await custodian.settlementAccount(of: Self.otherSub).answer() == nil)
            #expect(try await custodian.maximalShare(of: World.subMchid).answer() == 3000)
            if isBound {
                #expect(try await outcome() == .succeeded)
            } else {
                guard case .failed = try await outcome() else {
                    Issue.record("not failed")
                    return
                }
            }
        }
    }

    @Test func `an order of two payees is collected, split, returned, refunded and withdrawn`() async throws {
        try await Self.with { world, custodian in
            try await Self.collected(world, custodian, Self.order("ORDER0001"))
            // 7700 and 3300, less the fees of 46 and 20.
            #expect(try await world.funds(World.subMchid) == World.Funds(0, 7654))
            #expect(try await world.funds(Self.otherSub) == World.Funds(0, 3280))
            let funded = try await custodian.queryOrder(number: "ORDER0001", serial: "Q").answer()
            #expect(funded.state == .funded && funded.held == Fen(10_934))

            let order = Self.order("ORDER0001")
            let split = SplitInstruction(number: "SPLIT1", orderNumber: "ORDER0001", items: order.parts, isLast: true)
            let accepted = try await custodian.split(split, serial: "S1").answer()
            #expect(accepted.state == .processing(finishBy: nil))
            let subject = InstructionSubject(number: "SPLIT1", orderNumber: "ORDER0001")
            let today = BusinessDate(daysSinceEpoch: 20_000)
            #expect(
                try await custodian.query(.split, serial: "S1", sentOn: today, about: subject).answer().state
                    == .processing(finishBy: nil))
            try await world.setClock("2026-10-05T12:11:00+08:00")
            #expect(
                try await custodian.query(.split, serial: "S1", sentOn: today, about: subject).answer().state
                    == .succeeded)
            let items = try await custodian.querySplit(number: "SPLIT1", orderNumber: "ORDER0001", serial: "Q").answer()
            #expect(items.items.map(\.number) == [World.mchid, World.mchid])
            #expect(items.items.allSatisfy { $0.state == .succeeded })
            #expect(try await world.funds(World.mchid) == World.Funds(1000, 0))
            #expect(try await world.funds(World.subMchid) == World.Funds(6954, 0))
            #expect(try await world.funds(Self.otherSub) == World.Funds(2980, 0))
            #expect(try await custodian.queryOrder(number: "ORDER0001", serial: "Q").answer().state == .finished)
            // The same again does nothing more.
            _ = try await custodian.split(split, serial: "S1").answer()
            #expect(try await world.funds(World.mchid) == World.Funds(1000, 0))

            let reversal = SplitReversal(
                number: "BACK1", splitNumber: "SPLIT1", orderNumber: "ORDER0001",
                items: [.init(partNumber: "3", account: World.mchid, amount: Fen(1000))])
            #expect(try await custodian.reverseSplit(reversal, serial: "R1").answer().state == .succeeded)
            #expect(try await world.funds(World.mchid) == World.Funds(0, 0))
            #expect(
                try await custodian.query(
                    .reverseSplit, serial: "R1", sentOn: today,
                    about: InstructionSubject(number: "BACK1", orderNumber: "ORDER0001", parentNumber: "SPLIT1")
                ).answer().state == .succeeded)

            let refund = RefundRegistration(
                number: "REFUND1", orderNumber: "ORDER0001", amount: Fen(5500),
                giveBack: [
                    .init(partNumber: "1", account: World.subMchid, amount: Fen(3500)),
                    .init(partNumber: "2", account: Self.otherSub, amount: Fen(1500)),
                    .init(partNumber: "3", account: World.mchid, amount: Fen(500)),
                ])
            #expect(try await custodian.refund(refund, serial: "F1").answer().state == .processing(finishBy: nil))
            #expect(try await custodian.refund(refund, serial: "F1").answer().state == .processing(finishBy: nil))
            try await world.setClock("2026-10-05T12:12:00+08:00")
            #expect(
                try await custodian.query(
                    .refund, serial: "F1", sentOn: today,
                    about: InstructionSubject(number: "REFUND1", orderNumber: "ORDER0001")
                ).answer().state == .succeeded)
            let notices = try world.inbox.requests(to: "/callback").map { try custodian.notice(in: $0.body) }
            #expect(notices.count == 3)
            guard case .collection(number: "ORDER0001", let collection) = notices[0], case .paid = collection.state,
                case .instruction(.refund, serial: "REFUND1", let result) = notices[1]
            else {
                Issue.record("\(notices)")
                return
            }
            // One part of two says only that something happened.
            #expect(collection.amount == Fen(11_000) && result.state == .processing(finishBy: nil))

            // The day's split bill of the first payee: its share of the commission, there and back.
            try await world.setClock("2026-10-06T10:00:00+08:00")
            let day = try #require(BusinessDate("2026-10-05"))
            guard case .file(let file) = try await world.channel.fetch(.profitSharing, of: day, into: .ofTests).answer()
            else {
                Issue.record("no split bill")
                return
            }
            let lines = try StatementContent(reading: file, from: .weChatPay).lines
            #expect(lines.map(\.reference) == ["SPLIT1-1", "BACK1-1"])
            #expect(lines.allSatisfy { $0.amount == Fen(700) })
        }
    }

    @Test func `a withdrawal succeeds, and comes back days later`() async throws {
        try await Self.with { world, custodian in
            try await world.control(
                "POST", "/sub-merchants",
                ["merchant": .string(World.mchid), "sub_mchid": .string(World.subMchid), "add_available_fen": 5000])
            func withdrawal(_ number: String, _ amount: Int64) -> WithdrawalInstruction {
                WithdrawalInstruction(
                    number: number, subAccount: World.subMchid, bindingNumber: "", amount: Fen(amount), memo: "货款")
            }
            func outcome(_ number: String) async throws -> CustodianResult.State {
                try await custodian.query(
                    .withdraw, serial: "W", sentOn: BusinessDate(daysSinceEpoch: 20_000),
                    about: InstructionSubject(number: number, account: World.subMchid)
                ).answer().state
            }
            guard case .refused(let short) = await custodian.withdraw(withdrawal("W0", 5001), serial: "W") else {
                Issue.record("more than there is")
                return
            }
            #expect(short.code == "NOT_ENOUGH" && short.retryAfter != nil)
            #expect(await custodian.withdraw(withdrawal("W-1", 1), serial: "W").refusalCode == "PARAM_ERROR")
            #expect(try await outcome("W9") == .absent(safeAfter: nil))
            // What WeChat recorded without beginning it may be sent again at once.
            #expect(try await outcome("W0") == .absent(safeAfter: Instant(seconds: 0)))
            try await world.fault("withdraw_result", "returned", [.init("after_days", 2)])
            let first = try await custodian.withdraw(withdrawal("W1", 3000), serial: "W").answer()
            #expect(first.state == .processing(finishBy: nil))
            #expect(try await custodian.withdraw(withdrawal("W1", 3000), serial: "W").answer() == first)
            #expect(await custodian.withdraw(withdrawal("W1", 3001), serial: "W").refusalCode == "INVALID_REQUEST")
            let balance = try await custodian.queryBalance(of: World.subMchid, serial: "Q").answer()
            #expect(balance.available == Fen(2000) && balance.total == Fen(2000))
            try await world.setClock("2026-10-05T12:05:00+08:00")
            #expect(try await outcome("W1") == .succeeded)
            try await world.fault("withdraw_result", "failed")
            _ = try await custodian.withdraw(withdrawal("W2", 2000), serial: "W").answer()
            try await world.setClock("2026-10-08T13:00:00+08:00")
            guard case .failed(let reason) = try await outcome("W2"), case .returned = try await outcome("W1") else {
                Issue.record("not failed, or not returned")
                return
            }
            #expect(reason.code == "FAIL")
            #expect(try await world.funds(World.subMchid).available == 5000)
            let day = try #require(BusinessDate("2026-10-05"))
            let before = try await custodian.queryDayEndBalance(of: World.subMchid, on: day, serial: "Q").answer()
            #expect(before.available == Fen(2000))
            let states = try world.inbox.requests(to: "/callback").map { try custodian.notice(in: $0.body) }
            guard case .instruction(.withdraw, serial: "W1", let last) = states.last, case .returned = last.state else {
                Issue.record("\(states)")
                return
            }
            guard case .file = try await custodian.file(.returns, of: day, serial: "Q").answer() else {
                Issue.record("the failed one stands in no file")
                return
            }
            #expect(states.count == 3)
        }
    }

    @Test func `a split fails by receiver, by ratio and by time`() async throws {
        try await Self.with { world, custodian in
            try await Self.collected(world, custodian, Self.order("ORDER0002"))
            func split(_ number: String, _ account: String, _ amount: Int64) -> SplitInstruction {
                SplitInstruction(
                    number: number, orderNumber: "ORDER0002",
                    items: [.init(number: "1", account: account, amount: Fen(amount), isCommission: true)],
                    isLast: false)
            }
            #expect(await custodian.split(split("X1", World.mchid, 4000), serial: "S").refusalCode == "RULE_LIMIT")
            let stranger = SplitReceiver(kind: .merchant, account: "1900007777", name: "供应商", relation: "SUPPLIER")
            #expect(
                await custodian.split(split("X2", "1900007777", 100), serial: "S").refusalCode == "INVALID_REQUEST")
            _ = try await custodian.addReceiver(stranger, serial: "A").answer()
            _ = try await custodian.split(split("X2", "1900007777", 100), serial: "S").answer()
            _ = try await custodian.removeReceiver(stranger, serial: "A").answer()
            try await world.fault(
                "split_result", "closed", [.init("count", 2), .init("fail_reason", "RECEIVER_HIGH_RISK")])
            try await world.setClock("2026-10-05T12:11:00+08:00")
            let today = BusinessDate(daysSinceEpoch: 20_000)
            let unknown = try await custodian.query(
                .split, serial: "S", sentOn: today,
                about: InstructionSubject(number: "X2", orderNumber: "ORDER0002")
            ).answer()
            guard case .failed(let refusal) = unknown.state else {
                Issue.record("\(unknown)")
                return
            }
            #expect(refusal.code == "NO_RELATION")
            let payee = SplitInstruction(
                number: "X3", orderNumber: "ORDER0002",
                items: [.init(number: "1", account: World.subMchid, amount: Fen(1), isCommission: false)], isLast: false
            )
            #expect(await custodian.split(payee, serial: "S").refusalCode == "PAYEE_NOT_LAST")
            let confirmation = SettlementConfirmation(number: "X4", orderNumber: "ORDER0002", parts: [])
            #expect(try await custodian.confirmSettlement(confirmation, serial: "S").answer().state == .succeeded)
            #expect(await custodian.split(split("X5", World.mchid, 1), serial: "S").refusalCode == "INVALID_REQUEST")
            #expect(try await world.funds(World.subMchid) == World.Funds(7654, 0))
        }
    }

    @Test func `what is not split in 180 days is the payees'`() async throws {
        try await Self.with { world, custodian in
            try await Self.collected(world, custodian, Self.order("ORDER0003"))
            try await world.setClock("2027-04-03T11:59:00+08:00")
            #expect(try await world.funds(World.subMchid).held == 7654)
            try await world.setClock("2027-04-03T12:01:00+08:00")
            #expect(try await world.funds(World.subMchid) == World.Funds(7654, 0))
            let split = SplitInstruction(
                number: "LATE1", orderNumber: "ORDER0003", items: Self.order("ORDER0003").parts, isLast: true)
            #expect(await custodian.split(split, serial: "S").refusalCode == "INVALID_REQUEST")
        }
    }

    @Test func `what it does not offer is refused before anything is sent`() async throws {
        try await Self.with { _, custodian in
            let offered = custodian.capabilities.operations
            #expect(!offered.contains(.syncOrder) && !offered.contains(.freeze))
            #expect(
                await custodian.syncOrder(Self.order("ORDER0004"), serial: "S").refusalCode == Refusal.unsupportedCode)
            #expect(await custodian.bankDay(serial: "S").refusalCode == Refusal.unsupportedCode)
            #expect(await custodian.closeCollection(number: "ORDER0099", serial: "S").refusalCode == nil)
        }
    }

    @Test func `a link that is no e-commerce platform's makes no custodian`() async throws {
        try await World.with(kind: "service_provider") { world in
            #expect(throws: WeChatEcommerce.LinkError.notEcommerce) {
                try WeChatEcommerce(
                    link: world.link, callbackURL: "", outbound: Outbound(client: .shared),
                    clock: { SimulatorClock.realNow() })
            }
        }
    }
}

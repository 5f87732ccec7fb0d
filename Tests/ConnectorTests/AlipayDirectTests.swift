import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

@Suite struct `Alipay as custodian, 直付通` {
    @Test func `a sub-merchant is opened, refused, handed in again and reviewed`() async throws {
        try await AlipayBench.run(mode: "certificate") { bench in
            let direct = try bench.direct()
            try await bench.control(
                "POST", "/control/rejections",
                ["merchant": .string(AlipayBench.appID), "name_contains": "冒名", "reason": "证件与名称不符"])
            #expect(try await direct.querySubMerchant(number: "M1", serial: "1").answeredValue().state == .absent)
            let bare = SubMerchantOpening(
                number: "M1", kind: .company, name: "冒名商行", certificateNumber: "91310000MA1K000000",
                legalPersonName: "张三", legalPersonIDNumber: "310101199001010011", contactName: "李四",
                contactMobile: "13800000000")
            #expect(await direct.openSubMerchant(bare, serial: "1").refusedCode == "INCOMPLETE")
            let opened = try await direct.openSubMerchant(Self.opening("M1", "冒名商行"), serial: "1").answeredValue()
            #expect(opened.state == .reviewing(signURL: nil) && opened.applicationNumber != nil)
            guard
                case .reviewing(let url?) = try await direct.querySubMerchant(number: "M1", serial: "2")
                    .answeredValue().state
            else {
                Issue.record("nothing to sign")
                return
            }
            #expect(url.hasPrefix("https://u.alipay.cn/"))
            #expect(
                await direct.openSubMerchant(Self.opening("M1", "冒名商行"), serial: "1").refusedStanding
                    == .forNow(retryAfter: .seconds(600)))
            try await bench.setClock("2026-10-05T11:05:00+08:00")
            let notice = try direct.notice(in: try await bench.notifications(1)[0])
            #expect(notice == .subMerchant(number: "M1"))
            #expect(
                try await direct.querySubMerchant(number: "M1", serial: "3").answeredValue().state
                    == .rejected([.init(field: "", reason: "证件与名称不符")]))
            _ = try await direct.resubmitSubMerchant(Self.opening("M1", "正名商行"), serial: "4").answeredValue()
            try await bench.setClock("2026-10-05T12:30:00+08:00")
            let known = try await direct.querySubMerchant(number: "M1", serial: "5").answeredValue()
            #expect(known.state == .active)
            #expect(known.subAccount?.hasPrefix("2088") == true)
            #expect(
                await direct.openSubMerchant(Self.opening("M1", "正名商行"), serial: "6").refusedStanding
                    == .numberTaken)
        }
    }

    @Test func `an order is collected, confirmed, split, refunded and settled to the card`() async throws {
        try await AlipayBench.run(mode: "certificate") { bench in
            let direct = try bench.direct()
            let smid = try await Self.open("M1", direct, bench)
            let receiver = SplitReceiver(
                kind: .person, account: "2088000000000051", name: nil, relation: "SERVICE_PROVIDER")
            _ = try await direct.addReceiver(receiver, serial: "B1").answeredValue()

            let code = try await direct.collect(Self.collection("O1", smid), serial: "1").answeredValue()
            guard case .toPay(.code) = code.state else {
                Issue.record("\(code)")
                return
            }
            #expect(try await direct.queryCollection(number: "O1", serial: "2").answeredValue().state == .absent)
            try await bench.pay("O1")
            let paid = try await direct.queryCollection(number: "O1", serial: "3").answeredValue()
            guard case .paid(_, let number?) = paid.state else {
                Issue.record("\(paid)")
                return
            }
            #expect(number.hasPrefix("20261005"))
            #expect(try await direct.queryOrder(number: "O1", serial: "4").answeredValue().state == .funded)
            let split = SplitInstruction(
                number: "S1", orderNumber: "O1",
                items: [.init(number: "2", account: receiver.account, amount: Fen(1000), isCommission: true)],
                isLast: false)
            // The receipt of goods first.
            #expect(
                await direct.split(split, serial: "5").refusedStanding == .forNow(retryAfter: .seconds(600)))
            let confirmation = SettlementConfirmation(
                number: "C1", orderNumber: "O1", parts: Self.parts(smid, whole: 10_000))
            #expect(try await direct.confirmSettlement(confirmation, serial: "6").answeredValue().state == .succeeded)
            #expect(try await direct.confirmSettlement(confirmation, serial: "6").answeredValue().state == .succeeded)
            _ = try await direct.split(split, serial: "7").answeredValue()
            // The payee's own part is free with the last split; what was split away waits for nobody.
            let items = try await direct.querySplit(number: "S1", orderNumber: "O1", serial: "8").answeredValue()
            #expect(items.state == .succeeded)
            #expect(items.items == [.init(number: receiver.account, state: .succeeded)])
            let told = try await bench.notifications(3).compactMap { try? direct.notice(in: $0) }
            let isTold = told.contains { notice in
                guard case .instruction(.split, serial: "S1", let result) = notice else { return false }
                return result.state == .succeeded
            }
            #expect(isTold)
            _ = try await direct.split(
                SplitInstruction(number: "S2", orderNumber: "O1", items: [], isLast: true), serial: "7"
            ).answeredValue()

            let refund = RefundRegistration(
                number: "R1", orderNumber: "O1", amount: Fen(5000),
                giveBack: [
                    .init(partNumber: "1", account: smid, amount: Fen(4500)),
                    .init(partNumber: "2", account: receiver.account, amount: Fen(500)),
                ])
            #expect(try await direct.refund(refund, serial: "9").answeredValue().state == .succeeded)
            #expect(
                try await direct.refund(refund, serial: "9").answeredValue().state == .processing(finishBy: nil))
            let greedy = RefundRegistration(
                number: "R2", orderNumber: "O1", amount: Fen(1000),
                giveBack: [.init(partNumber: "2", account: receiver.account, amount: Fen(501))])
            #expect(await direct.refund(greedy, serial: "10").refusedCode == "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR")

            try await bench.setClock("2026-10-06T02:00:01+08:00")
            let state = try await bench.control("GET", "/control/merchants/\(AlipayBench.appID)")
            let payout = state["sub_merchants"]?.array?.first?["payouts"]?.array?.first
            // 100.00 paid, 10.00 split, 45.00 refunded by the payee, and 0.30 of the fee not given back.
            #expect(payout?["amount_fen"]?.integer == 4470)
            #expect(state["remittances"]?.array?.isEmpty == true)
            #expect(try await direct.queryOrder(number: "O1", serial: "11").answeredValue().state == .finished)
            // All is paid out: what else goes back has nothing to come from.
            let broke = RefundRegistration(number: "R3", orderNumber: "O1", amount: Fen(1), giveBack: [])
            #expect(
                await direct.refund(broke, serial: "12").refusedStanding == .forNow(retryAfter: .seconds(600)))
        }
    }

    @Test func `what nobody confirms settles when its time is over, and one payee alone is taken`() async throws {
        try await AlipayBench.run(mode: "certificate") { bench in
            let direct = try bench.direct()
            let smid = try await Self.open("M1", direct, bench)
            _ = try await direct.collect(Self.collection("O1", smid), serial: "1").answeredValue()
            try await bench.pay("O1")
            try await bench.setClock("2026-10-06T02:00:01+08:00")
            let before = try await bench.control("GET", "/control/merchants/\(AlipayBench.appID)")
            #expect(before["sub_merchants"]?.array?.first?["payouts"]?.array?.isEmpty == true)
            try await bench.setClock("2027-12-31T00:00:00+08:00")
            let after = try await bench.control("GET", "/control/merchants/\(AlipayBench.appID)")
            let payouts = after["sub_merchants"]?.array?.first?["payouts"]?.array ?? []
            #expect(payouts.compactMap { $0["amount_fen"]?.integer } == [9940])

            let two = CollectionInstruction(
                order: OrderRegistration(
                    number: "O2", amount: Fen(200),
                    parts: [
                        .init(number: "1", account: smid, amount: Fen(100), isCommission: false),
                        .init(number: "2", account: "2088000000000777", amount: Fen(100), isCommission: false),
                    ], payment: nil),
                method: .precreate, description: "两家", expiresAt: Instant(seconds: 1_900_000_000))
            #expect(await direct.collect(two, serial: "2").refusedCode == "ONE_PAYEE")
            let stranger = await direct.collect(Self.collection("O3", "2088999999999999"), serial: "3")
            #expect(stranger.refusedCode == "ACQ.SECONDARY_MERCHANT_ID_INVALID")
        }
    }

    @Test func `money is transferred once, asked for, and comes back when the bank returns it`() async throws {
        try await AlipayBench.run(mode: "certificate", magicAmounts: true) { bench in
            let direct = try bench.direct()
            let transfer = { (number: String, fen: Int64) in
                TransferInstruction(
                    number: number, from: AlipayBench.sellerID, to: "2088000000000061", amount: Fen(fen),
                    purpose: .subsidy, memo: "补贴")
            }
            #expect(
                await direct.transfer(transfer("T1", 1000), serial: "1").refusedStanding
                    == .forNow(retryAfter: .seconds(600)))
            try await bench.control(
                "POST", "/control/deposits", ["merchant": .string(AlipayBench.appID), "amount_fen": 100_000])
            #expect(try await direct.transfer(transfer("T1", 1000), serial: "1").answeredValue().state == .succeeded)
            #expect(try await direct.transfer(transfer("T1", 1000), serial: "1").answeredValue().state == .succeeded)
            #expect(await direct.transfer(transfer("T1", 999), serial: "1").refusedStanding == .numberTaken)
            let balance = try await direct.queryBalance(of: AlipayBench.sellerID, serial: "2").answeredValue()
            #expect(balance.available == Fen(99_000))
            let day = try #require(BusinessDate("2026-10-05"))
            // Magic amounts: fails after two hours; comes back after a day.
            let slow = try await direct.transfer(transfer("T2", 4432), serial: "3").answeredValue()
            #expect(slow.state == .processing(finishBy: nil))
            _ = try await direct.transfer(transfer("T3", 4433), serial: "4").answeredValue()
            try await bench.setClock("2026-10-06T11:00:00+08:00")
            guard
                case .failed(let refusal) = try await direct.query(.transfer, serial: "T2", sentOn: day)
                    .answeredValue().state,
                case .returned = try await direct.query(.transfer, serial: "T3", sentOn: day).answeredValue().state
            else {
                Issue.record("neither failed nor returned")
                return
            }
            #expect(refusal.code == "PAYEE_CARD_INFO_ERROR")
            let none = try await direct.query(.transfer, serial: "T9", sentOn: day).answeredValue()
            #expect(none.state == .absent(safeAfter: nil))
            #expect(await direct.query(.refund, serial: "R1", sentOn: day).refusedCode == Refusal.unsupportedCode)
            #expect(
                await direct.withdraw(
                    WithdrawalInstruction(
                        number: "W", subAccount: "1", bindingNumber: "2", amount: Fen(1), memo: ""), serial: "5"
                ).refusedCode == Refusal.unsupportedCode)
        }
    }

    @Test func `an account is changed, and a sub-merchant with money is not closed`() async throws {
        try await AlipayBench.run(mode: "certificate") { bench in
            let direct = try bench.direct()
            let smid = try await Self.open("M1", direct, bench)
            let bound = try await direct.bindAccount(Self.account(smid, "6222000000004321"), serial: "1")
                .answeredValue()
            #expect(bound.state == .bound)
            _ = try await direct.collect(Self.collection("O1", smid), serial: "2").answeredValue()
            try await bench.pay("O1")
            #expect(
                await direct.closeSubMerchant(number: "M1", reason: "停业", serial: "3").refusedStanding
                    == .forNow(retryAfter: .seconds(600)))
            let whole = RefundRegistration(number: "R1", orderNumber: "O1", amount: Fen(10_000), giveBack: [])
            #expect(try await direct.refund(whole, serial: "4").answeredValue().state == .succeeded)
            #expect(
                try await direct.closeSubMerchant(number: "M1", reason: "停业", serial: "5").answeredValue().state
                    == .succeeded)
            #expect(
                await direct.collect(Self.collection("O2", smid), serial: "6").refusedCode
                    == "ACQ.SECONDARY_MERCHANT_ID_INVALID")
        }
    }

    private static func open(_ number: String, _ direct: AlipayDirect, _ bench: AlipayBench) async throws -> String {
        _ = try await direct.openSubMerchant(opening(number, "测试商行"), serial: "1").answeredValue()
        try await bench.setClock("2026-10-05T11:05:00+08:00")
        return try #require(
            try await direct.querySubMerchant(number: number, serial: "2").answeredValue().subAccount)
    }

    private static func opening(_ number: String, _ name: String) -> SubMerchantOpening {
        var dossier = SubMerchantDossier()
        dossier.categoryCode = "A0001_B0199"
        dossier.settlementAccount = account("", "6222000000001234")
        return SubMerchantOpening(
            number: number, kind: .company, name: name, certificateNumber: "91310000MA1K000000",
            legalPersonName: "张三", legalPersonIDNumber: "310101199001010011", contactName: "李四",
            contactMobile: "13800000000", dossier: dossier)
    }

    private static func account(_ smid: String, _ number: String) -> AccountBinding {
        AccountBinding(
            subAccount: smid, isCorporate: true, accountNumber: number, accountName: "测试商行", bankName: "中国银行",
            mobile: "13800000000", verification: .none)
    }

    private static func parts(_ smid: String, whole: Int64) -> [OrderRegistration.Part] {
        [
            .init(number: "1", account: smid, amount: Fen(whole - 1000), isCommission: false),
            .init(number: "2", account: "2088000000000051", amount: Fen(1000), isCommission: true),
        ]
    }

    private static func collection(_ number: String, _ smid: String) -> CollectionInstruction {
        CollectionInstruction(
            order: OrderRegistration(
                number: number, amount: Fen(10_000), parts: parts(smid, whole: 10_000), payment: nil,
                confirmBy: BusinessDate("2027-11-01")),
            method: .precreate, description: "茶叶", expiresAt: Instant(seconds: 1_900_000_000))
    }
}

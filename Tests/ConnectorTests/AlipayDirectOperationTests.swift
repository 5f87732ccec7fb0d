import CustodyConnectors
import CustodyDomain
import CustodyWire
import Testing

@Suite struct `直付通, operation by operation` {
    private static let courier = "2088000000000051"

    @Test func `a confirmation repeated after the money moved is the same confirmation`() async throws {
        try await AlipayBench.run { bench in
            let direct = try bench.direct()
            let smid = try await bench.open("M1", direct)
            try await bench.collect(AlipayBench.collection("O1", smid, 10_000, confirms: true), direct)
            let part = { (fen: Int64) in
                [OrderRegistration.Part(number: "1", account: smid, amount: Fen(fen), isCommission: false)]
            }
            let first = SettlementConfirmation(number: "C1", orderNumber: "O1", parts: part(4000))
            for serial in ["1", "2"] {
                #expect(try await direct.confirmSettlement(first, serial: serial).answeredValue().state == .succeeded)
            }
            #expect(
                try await direct.receivables(of: "O1").answeredValue()
                    == AlipayReceivables(unconfirmed: Fen(6000), confirmed: .zero, settled: Fen(3976)))
            // What waits goes back first; then what was settled, against its confirmation.
            let refund = { (number: String, fen: Int64) in
                RefundRegistration(number: number, orderNumber: "O1", amount: Fen(fen), giveBack: [])
            }
            #expect(try await direct.refund(refund("R1", 1000), serial: "3").answeredValue().state == .succeeded)
            let greedy = SettlementConfirmation(number: "C2", orderNumber: "O1", parts: part(5001))
            #expect(await direct.confirmSettlement(greedy, serial: "4").refusedCode == "ACQ.TRADE_SETTLE_ERROR")
            let rest = SettlementConfirmation(number: "C2", orderNumber: "O1", parts: [])
            #expect(try await direct.confirmSettlement(rest, serial: "5").answeredValue().state == .succeeded)
            #expect(try await direct.refund(refund("R2", 2500), serial: "6").answeredValue().state == .succeeded)
            try await bench.setClock("2026-10-06T02:00:01+08:00")
            let state = try await bench.state()
            #expect(state["books"]?["paid_out_fen"]?.integer == 6461)
            #expect(state["books"]?["balanced"]?.bool == true)
            #expect(
                await direct.refund(refund("R3", 1), serial: "7").refusedStanding == .forNow(retryAfter: .seconds(600)))
        }
    }

    @Test func `a confirmation is taken back, unless its money is gone`() async throws {
        try await AlipayBench.run { bench in
            let direct = try bench.direct()
            let smid = try await bench.open("M1", direct)
            try await bench.collect(AlipayBench.collection("O1", smid, 500, confirms: true), direct)
            let confirmation = { (number: String) in
                SettlementConfirmation(number: number, orderNumber: "O1", parts: [])
            }
            _ = try await direct.confirmSettlement(confirmation("C1"), serial: "1").answeredValue()
            #expect(
                try await direct.cancelConfirmation(number: "C1", orderNumber: "O1").answeredValue().state == .succeeded
            )
            #expect(try await direct.receivables(of: "O1").answeredValue().unconfirmed == Fen(500))
            #expect(await direct.confirmSettlement(confirmation("C1"), serial: "2").refusedStanding == .numberTaken)
            _ = try await direct.confirmSettlement(confirmation("C2"), serial: "3").answeredValue()
            try await bench.setClock("2026-10-06T02:00:01+08:00")
            #expect(
                await direct.cancelConfirmation(number: "C2", orderNumber: "O1").refusedCode
                    == "ACQ.TRADE_SETTLE_ERROR")
            #expect(
                await direct.cancelConfirmation(number: "C1", orderNumber: "O9").refusedCode == "ACQ.TRADE_NOT_EXIST")
        }
    }

    @Test func `outcomes are found by what they were about`() async throws {
        try await AlipayBench.run(mode: "certificate") { bench in
            let direct = try bench.direct()
            let smid = try await bench.open("M1", direct)
            let day = try #require(BusinessDate("2026-10-05"))
            let outcome = { (operation: CustodianOperation, number: String, order: String?) in
                try await direct.query(
                    operation, serial: "1", sentOn: day, about: InstructionSubject(number: number, orderNumber: order)
                ).answeredValue().state
            }
            #expect(try await outcome(.openSubMerchant, "M1", nil) == .succeeded)
            #expect(try await outcome(.openSubMerchant, "M9", nil) == .absent(safeAfter: nil))
            #expect(try await outcome(.modifySubMerchant, "M1", nil) == .absent(safeAfter: nil))
            #expect(try await outcome(.collect, "O1", nil) == .absent(safeAfter: nil))
            let collection = AlipayBench.collection("O1", smid, 10_000, others: [Self.courier: 1000], confirms: true)
            let receiver = SplitReceiver(kind: .person, account: Self.courier, name: nil, relation: "OTHERS")
            _ = try await direct.addReceiver(receiver, serial: "B").answeredValue()
            try await bench.collect(collection, direct)
            #expect(try await outcome(.collect, "O1", nil) == .succeeded)
            #expect(try await outcome(.confirmSettlement, "C1", "O1") == .absent(safeAfter: nil))
            let confirmation = SettlementConfirmation(
                number: "C1", orderNumber: "O1", parts: collection.order.parts)
            _ = try await direct.confirmSettlement(confirmation, serial: "2").answeredValue()
            #expect(try await outcome(.confirmSettlement, "C1", "O1") == .succeeded)
            #expect(try await direct.splittable(orderNumber: "O1").answeredValue() == Fen(10_000))
            #expect(try await outcome(.split, "S1", "O1") == .absent(safeAfter: nil))
            let split = SplitInstruction(
                number: "S1", orderNumber: "O1", items: collection.order.parts, isLast: false)
            _ = try await direct.split(split, serial: "3").answeredValue()
            #expect(try await outcome(.split, "S1", "O1") == .succeeded)
            #expect(try await direct.splittable(orderNumber: "O1").answeredValue() == Fen(9000))
            #expect(try await outcome(.refund, "R1", "O1") == .absent(safeAfter: nil))
            #expect(try await outcome(.refund, "R1", "O9") == .absent(safeAfter: nil))
            // The answer is lost; the question finds the refund.
            try await bench.plantFault("refund", "drop")
            let refund = RefundRegistration(number: "R1", orderNumber: "O1", amount: Fen(100), giveBack: [])
            #expect(await direct.refund(refund, serial: "4").unknownReason == .noAnswer)
            #expect(try await outcome(.refund, "R1", "O1") == .succeeded)
            #expect(
                await direct.query(.addReceiver, serial: "1", sentOn: day, about: .init(number: "B")).refusedCode
                    == Refusal.unsupportedCode)
        }
    }

    @Test func `a sub-merchant is consulted about, changed under review, and its card released`() async throws {
        try await AlipayBench.run { bench in
            let direct = try bench.direct()
            try await bench.control(
                "POST", "/control/rejections",
                ["merchant": .string(AlipayBench.appID), "name_contains": "冒名", "reason": "证件 310101199001010011 不符"])
            let verdict = try await direct.consult(AlipayBench.opening("M1", "冒名商行")).answeredValue()
            #expect(verdict == AlipayConsultation(riskPasses: false, accountPasses: false))
            #expect(try await direct.consult(AlipayBench.opening("M1")).answeredValue().riskPasses)
            let smid = try await bench.open("M1", direct)
            let day = try #require(BusinessDate("2026-10-05"))
            var change = SubMerchantChange(number: "M1")
            change.name = "冒名商行"
            #expect(
                try await direct.modifySubMerchant(change, serial: "1").answeredValue().state
                    == .processing(finishBy: nil))
            #expect(
                await direct.modifySubMerchant(change, serial: "1").refusedStanding
                    == .forNow(retryAfter: .seconds(600)))
            try await bench.setClock("2026-10-05T12:10:00+08:00")
            guard
                case .failed(let refusal) = try await direct.query(.modifySubMerchant, serial: "M1", sentOn: day)
                    .answeredValue().state
            else {
                Issue.record("not refused")
                return
            }
            // What Alipay writes about people is masked.
            #expect(refusal.message.contains("3101011990") == false)
            // A change that was refused leaves the sub-merchant open.
            let known = try await direct.querySubMerchant(number: "M1", serial: "2").answeredValue()
            #expect(known.state == .active && known.subAccount == smid)
            let difference = try await direct.cardDifference(
                subAccount: smid, accountNumber: "6222000000001234", accountName: "测试商行"
            ).answeredValue()
            #expect(difference == nil)
            #expect(
                try await direct.cardDifference(
                    subAccount: smid, accountNumber: "6222000000009999", accountName: "测试商行"
                ).answeredValue() == "卡号不一致")
            let bound = try await direct.bindAccount(AlipayBench.account(smid, "6222000000004321"), serial: "3")
                .answeredValue()
            for state in ["succeeded", "refused"] {
                let reply = await direct.unbindAccount(bindingNumber: bound.bindingNumber, serial: "4")
                if state == "succeeded" {
                    #expect(try reply.answeredValue().state == .succeeded)
                } else {
                    #expect(reply.refusedCode == "SETTLEMENT_ACCOUNT_NOT_EXIST")
                }
            }
            #expect(await direct.unbindAccount(bindingNumber: "0", serial: "5").refusedCode == "ORDER_NOT_EXIST")
        }
    }

    @Test func `a sub-merchant without a certificate signs at its page, and is upgraded`() async throws {
        try await AlipayBench.run { bench in
            let direct = try bench.direct()
            let quick = try await direct.openQuickly(AlipayBench.opening("M1")).answeredValue()
            guard case .reviewing(let page?) = quick.state else {
                Issue.record("\(quick.state)")
                return
            }
            #expect(page.hasPrefix("https://u.alipay.cn/"))
            #expect(
                await direct.openQuickly(AlipayBench.opening("M1")).refusedStanding
                    == .forNow(retryAfter: .seconds(600)))
            _ = try await direct.openSimply(AlipayBench.opening("M2")).answeredValue()
            try await bench.setClock("2026-10-05T11:05:00+08:00")
            guard case .reviewing = try await direct.querySubMerchant(number: "M1", serial: "1").answeredValue().state
            else {
                Issue.record("open without a signature")
                return
            }
            try await bench.control(
                "POST", "/control/signatures", ["merchant": .string(AlipayBench.appID), "external_id": "M1"])
            #expect(try await direct.querySubMerchant(number: "M1", serial: "2").answeredValue().state == .active)
            let second = try await direct.querySubMerchant(number: "M2", serial: "3").answeredValue()
            #expect(second.state == .active)
            #expect(await direct.openSimply(AlipayBench.opening("M2")).refusedStanding == .numberTaken)
            let upgrade = { (smid: String) in
                await direct.upgrade(
                    subAccount: smid, certificateType: "201", certificateNumber: "91310000MA1K000000", image: nil)
            }
            #expect(await upgrade("2088000000000000").refusedCode == "MERCHANT_NOT_EXIST")
            #expect(
                try await upgrade(try #require(second.subAccount)).answeredValue().state == .processing(finishBy: nil))
            try await bench.setClock("2026-10-05T12:30:00+08:00")
            let day = try #require(BusinessDate("2026-10-05"))
            #expect(
                try await direct.query(.modifySubMerchant, serial: "M2", sentOn: day).answeredValue().state
                    == .succeeded)
        }
    }

    @Test func `receivers are listed page by page, by what kind of account each has`() async throws {
        try await AlipayBench.run { bench in
            let direct = try bench.direct()
            let accounts = (1...21).map { "20880000000001\($0 < 10 ? "0" : "")\($0)" } + ["a@example.com"]
            for account in accounts {
                let receiver = SplitReceiver(
                    kind: account.contains("@") ? .loginName : .person, account: account,
                    name: account.contains("@") ? "张三" : nil, relation: "OTHERS")
                _ = try await direct.addReceiver(receiver, serial: "B").answeredValue()
            }
            let first = try await direct.receivers(cursor: nil, serial: "1").answeredValue()
            #expect(first.items.count == 20 && first.next == "2")
            let last = try await direct.receivers(cursor: first.next, serial: "2").answeredValue()
            #expect(first.items + last.items == accounts && last.next == nil)
            #expect(try await direct.splitRatio(serial: "3").answeredValue() == 30)
            let nameless = SplitReceiver(kind: .loginName, account: "b@example.com", name: nil, relation: "OTHERS")
            #expect(await direct.addReceiver(nameless, serial: "4").refusedCode == "ACQ.INVALID_PARAMETER")
        }
    }

    @Test func `pictures are handed in, and what Alipay does not take is not sent`() async throws {
        try await AlipayBench.run(mode: "certificate") { bench in
            let direct = try bench.direct()
            let upload = { (name: String, bytes: [UInt8]) in
                await direct.uploadMaterial(
                    MaterialUpload(kind: .licence, fileName: name, contentType: "image/png", bytes: bytes), serial: "1")
            }
            #expect(try await upload("a.png", [0x89, 0x50, 0x4E, 0x47]).answeredValue().fileID.hasSuffix(".png"))
            #expect(await upload("a.pdf", [1]).refusedCode == "IMAGE_NOT_TAKEN")
            try await bench.plantFault("image_upload", "bad_signature")
            #expect(await upload("a.png", [1]).unknownReason == .badSignature)
        }
    }

    @Test func `contents are encrypted both ways where the application has a key for them`() async throws {
        try await AlipayBench.run(mode: "certificate", encryptKey: "ABEiM0RVZneImaq7zN3u/w==") { bench in
            let alipay = try bench.alipay()
            try await bench.paid("P1", fen: 10_000)
            #expect(try await alipay.queryPayment(serial: "P1").answeredValue().amount == Fen(10_000))
            #expect(try await alipay.queryPayment(serial: "P2").answeredValue().state == .absent)
            // A form that a browser sends is encrypted as well.
            guard case .form(let html) = try await alipay.pay(bench.order("P3", .page)).answeredValue() else {
                Issue.record("no form")
                return
            }
            #expect(html.contains("out_trade_no") == false)
            try await bench.control("POST", "/control/pay", ["form": .string(html)])
            #expect(try await alipay.queryPayment(serial: "P3").answeredValue().state == .succeeded)
            for fault in ["bad_signature", "system_error", "rate_limited"] {
                try await bench.plantFault("query", fault)
                let reply = await alipay.queryPayment(serial: "P1")
                #expect(
                    reply.unknownReason != nil || reply.refusedStanding == .forNow(retryAfter: .seconds(60)), "\(fault)"
                )
            }
            var link = bench.link
            link.encryptKey = "AAAAAAAAAAAAAAAAAAAAAA=="
            let stranger = try Alipay(
                link: link, outbound: Outbound(client: bench.client), clock: { Instant(seconds: 1_790_000_000) })
            #expect(await stranger.queryPayment(serial: "P1").refusedCode == "isv.decryption-error-unknown")
        }
    }
}

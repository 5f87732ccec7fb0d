import CustodyConnectors
import CustodyDomain
import CustodyWire
import Testing

@Suite struct `A whole day of 直付通` {
    private static let courier = "2088000000000051"
    private static let platform = AlipayBench.sellerID

    @Test func `every fen that buyers paid is with the buyers, the payees, the receivers, the platform, or a fee`()
        async throws
    {
        try await AlipayBench.run(mode: "certificate") { bench in
            let direct = try bench.direct()
            let (m1, m2) = try await Self.openBoth(direct, bench)
            try await Self.trade(direct, bench, m1, m2)
            var state = try await bench.state()
            #expect(state["books"]?["balanced"]?.bool == true)
            // 100.00 + 3.33 + 50.01 + 8.00 + 70.00 came; 20.00 and 8.00 went back.
            #expect(state["books"]?["received_fen"]?.integer == 23_134)
            #expect(state["books"]?["refunded_fen"]?.integer == 2800)
            // 60 + 2 + 30 + 5 + 42, and back 12 + 5.
            #expect(state["books"]?["fees_fen"]?.integer == 122)
            #expect(state["books"]?["receivers_fen"]?.integer == 400)
            // Commissions of 10.00 and 0.33, less what was transferred.
            #expect(state["books"]?["platform_fen"]?.integer == 533)

            try await bench.setClock("2026-10-07T09:30:00+08:00")
            state = try await bench.state()
            let books = try #require(state["books"])
            #expect(books["balanced"]?.bool == true)
            // M1: 100.00 less 15.00 split and 19.00 given back, and 50.01; M2: 3.33 less 0.33; less their fees. 70.00 wait.
            #expect(Self.payouts(state) == ["M1": [6600 - 48 + 5001 - 30], "M2": [300 - 2]])
            #expect(books["paid_out_fen"]?.integer == 11_821)
            #expect(books["sub_merchants_fen"]?.integer == 6958)
            #expect(state["remittances"]?.array?.isEmpty == true)
            try await Self.expectBills(of: state, m1, m2, direct, bench)
        }
    }

    private static func openBoth(
        _ direct: AlipayDirect, _ bench: AlipayBench
    ) async throws -> (String, String) {
        let picture = MaterialUpload(
            kind: .licence, fileName: "licence.jpg", contentType: "image/jpeg", bytes: [0xFF, 0xD8, 0x0D, 0x0A])
        let image = try await direct.uploadMaterial(picture, serial: "U1").answeredValue()
        var dossier = AlipayBench.opening("M1").dossier
        dossier.materials[.licence] = image.fileID
        let plain = AlipayBench.opening("M1")
        let opening = SubMerchantOpening(
            number: "M1", kind: plain.kind, name: plain.name, certificateNumber: plain.certificateNumber,
            legalPersonName: plain.legalPersonName, legalPersonIDNumber: plain.legalPersonIDNumber,
            contactName: plain.contactName, contactMobile: plain.contactMobile, dossier: dossier)
        _ = try await direct.openSubMerchant(opening, serial: "1").answeredValue()
        let m2 = try await bench.open("M2", direct)
        let m1 = try await direct.querySubMerchant(number: "M1", serial: "2").answeredValue()
        for account in [courier, platform] {
            let receiver = SplitReceiver(kind: .person, account: account, name: nil, relation: "SERVICE_PROVIDER")
            _ = try await direct.addReceiver(receiver, serial: "B\(account.suffix(4))").answeredValue()
        }
        let notices = try await bench.notifications(2).map { try direct.notice(in: $0) }
        #expect(Set(notices) == [.subMerchant(number: "M1"), .subMerchant(number: "M2")])
        return (try #require(m1.subAccount), m2)
    }

    private static func trade(
        _ direct: AlipayDirect, _ bench: AlipayBench, _ m1: String, _ m2: String
    ) async throws {
        // Confirmed, split to two, partly refunded.
        let first = AlipayBench.collection(
            "O1", m1, 10_000, others: [courier: 500, platform: 1000], confirms: true)
        try await bench.collect(first, direct)
        let confirmation = SettlementConfirmation(number: "C1", orderNumber: "O1", parts: first.order.parts)
        _ = try await direct.confirmSettlement(confirmation, serial: "3").answeredValue()
        try await split("S1", first, direct)
        let refund = RefundRegistration(
            number: "R1", orderNumber: "O1", amount: Fen(2000),
            giveBack: [
                .init(partNumber: "1", account: m1, amount: Fen(1900)),
                .init(partNumber: "2", account: courier, amount: Fen(100)),
            ])
        #expect(try await direct.refund(refund, serial: "5").answeredValue().state == .succeeded)
        // Kept for its split; settled at once; refunded before its confirmation; waiting for it; never paid.
        let second = AlipayBench.collection("O2", m2, 333, others: [platform: 33])
        try await bench.collect(second, direct)
        try await split("S2", second, direct)
        try await bench.collect(AlipayBench.collection("O3", m1, 5001), direct)
        try await bench.collect(AlipayBench.collection("O4", m2, 800, confirms: true), direct)
        let whole = RefundRegistration(number: "R4", orderNumber: "O4", amount: Fen(800), giveBack: [])
        #expect(try await direct.refund(whole, serial: "6").answeredValue().state == .succeeded)
        try await bench.collect(AlipayBench.collection("O5", m2, 7000, confirms: true), direct)
        let last = AlipayBench.collection("O6", m1, 999)
        _ = try await direct.collect(last, serial: "7").answeredValue()
        #expect(try await direct.closeCollection(number: "O6", serial: "8").answeredValue().state == .succeeded)
        let transfer = TransferInstruction(
            number: "T1", from: platform, to: "2088000000000061", amount: Fen(500), purpose: .subsidy, memo: "补贴")
        #expect(try await direct.transfer(transfer, serial: "9").answeredValue().state == .succeeded)
        // Two openings, five payments, two refunds, one transfer; the last split of an order is answered at once.
        let notices = try await bench.notifications(10).map { try direct.notice(in: $0) }
        let paid = notices.compactMap { notice -> String? in
            guard case .collection(let number, let collection) = notice, case .paid = collection.state else {
                return nil
            }
            return number
        }
        #expect(Set(paid) == ["O1", "O2", "O3", "O4", "O5"])
        for (operation, serial): (CustodianOperation, String) in [
            (.refund, "R1"), (.refund, "R4"), (.transfer, "T1"),
        ] {
            let isTold = notices.contains { notice in
                guard case .instruction(operation, serial: serial, let result) = notice else { return false }
                return result.state == .succeeded
            }
            #expect(isTold, "\(operation) \(serial)")
        }
    }

    private static func split(
        _ number: String, _ collection: CollectionInstruction, _ direct: AlipayDirect
    ) async throws {
        let order = collection.order
        _ = try await direct.split(
            SplitInstruction(number: number, orderNumber: order.number, items: order.parts, isLast: true), serial: "4"
        ).answeredValue()
        let found = try await direct.querySplit(number: number, orderNumber: order.number, serial: "Q").answeredValue()
        #expect(found.state == .succeeded)
        #expect(found.items.count == order.parts.count - 1 && found.items.allSatisfy { $0.state == .succeeded })
    }

    private static func payouts(_ state: JSON) -> [String: [Int64]] {
        var payouts: [String: [Int64]] = [:]
        for subMerchant in state["sub_merchants"]?.array ?? [] {
            payouts[subMerchant["external_id"]?.string ?? ""] = (subMerchant["payouts"]?.array ?? [])
                .compactMap { $0["amount_fen"]?.integer }
        }
        return payouts
    }

    /// The bills, fetched and read by us, say what the simulator's own books say.
    private static func expectBills(
        of state: JSON, _ m1: String, _ m2: String, _ direct: AlipayDirect, _ bench: AlipayBench
    ) async throws {
        let books = state["books"]
        let trades = try await bench.lines(.receipts, "2026-10-05", direct)
        let payments = trades.filter { $0.kind == .payment }
        let refunds = trades.filter { $0.kind == .refund }
        #expect(payments.map(\.amount).sum().value == books?["received_fen"]?.integer)
        #expect(refunds.map(\.amount).sum().value == books?["refunded_fen"]?.integer)
        #expect(trades.map(\.fee).sum().value == books?["fees_fen"]?.integer)
        #expect(refunds.map(\.parentReference) == ["O1", "O4"])

        let settled = try await bench.lines(.withdrawals, "2026-10-06", direct)
        #expect(settled.map(\.amount).sum().value == books?["paid_out_fen"]?.integer)
        for (external, smid) in [("M1", m1), ("M2", m2)] {
            let own = settled.filter { $0.details["二级商户编号"] == smid }
            #expect(own.map(\.amount).sum().value == payouts(state)[external]?.first)
        }
        #expect(Set(settled.map(\.reference)) == ["O1", "O2", "O3", "R1"])

        let movements =
            try await bench.lines(.balances, "2026-10-05", direct)
            + bench.lines(.balances, "2026-10-06", direct)
        for subMerchant in state["sub_merchants"]?.array ?? [] {
            let own = movements.filter { $0.details["二级商户编号"] == subMerchant["smid"]?.string }
            #expect(own.map(\.amount).sum().value == subMerchant["balance_fen"]?.integer)
        }
        let day = try #require(BusinessDate("2026-10-05"))
        let file = try await bench.alipay().bill(.fundFlow, of: day, into: .ofTests).answeredValue().file
        let account = try StatementContent(reading: try #require(file), from: .alipay).lines
        // Newest first: the first line's balance is what the account holds.
        #expect(account.first?.details["账户余额（元）"].flatMap { Fen(yuan: $0) }?.value == books?["platform_fen"]?.integer)
        #expect(await direct.file(.returns, of: day, serial: "1").refusedCode == Refusal.unsupportedCode)
        #expect(
            try await direct.file(.receipts, of: day.advanced(by: 2), serial: "2").answeredValue().isNotReady)
        #expect(try await direct.file(.withdrawals, of: day, serial: "3").answeredValue().isEmpty)
    }
}

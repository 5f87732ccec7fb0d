import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

/// The operations beyond the daily ones, through the connector, against the simulated bank over real sockets.
@Suite struct CWP1OperationTests {
    static let day = DateRange(
        from: BusinessDate(daysSinceEpoch: 20_731), to: BusinessDate(daysSinceEpoch: 20_740))

    /// An open merchant with 96.00 yuan to withdraw and 4.00 of commission beside it.
    private func fundedMerchant(_ bench: CWP1Bench) async throws -> String {
        let account = try await bench.openMerchant("SUB1")
        _ = try await bench.custodian.syncOrder(
            bench.order("O1", account, isPaid: true, merchantPart: 9600), serial: "S1"
        ).answer()
        _ = try await bench.custodian.split(
            SplitInstruction(
                number: "SP1", orderNumber: "O1",
                items: [
                    .init(number: "S1", account: account, amount: Fen(9600), isCommission: false),
                    .init(number: "S2", account: bench.feeAccount, amount: Fen(400), isCommission: true),
                ], isLast: false), serial: "P1"
        ).answer()
        try await bench.clock("2026-10-06T02:00:00+08:00")
        try await bench.credit(["O1"])
        return account
    }

    @Test(arguments: CWP1Algorithm.allCases)
    func `both kinds of keys sign, encrypt and notify`(algorithm: CWP1Algorithm) async throws {
        try await CWP1Bench.run(reviewStep: 0, algorithm: algorithm) { bench in
            let account = try await bench.openMerchant("SUB1")
            let bound = try await bench.bind(account)
            #expect(!bound.isEmpty)
            let letter = try await bench.inbox.wait("CARD.NOTIFY")
            #expect(letter.count >= 1)
            for letter in bench.inbox.all {
                #expect(letter.headers.contains { $0.0.lowercased() == "x-cust-alg" && $0.1 == algorithm.rawValue })
                _ = try CWP1Notification.verify(
                    method: "POST", path: letter.path, headers: letter.headers, body: letter.body, link: bench.link,
                    now: SimulatorClock.realNow())
            }
        }
    }

    @Test func `a key is replaced while two are valid, on either side`() async throws {
        try await CWP1Bench.run(reviewStep: 0, algorithm: .sm2SM3) { bench in
            let fresh = try await bench.control("POST", "keys", ["algorithm": "SM2-SM3"])
            let next = CWP1Link.BankKey(
                serial: try #require(fresh["bank_serial"]?.string),
                pem: try #require(fresh["bank_public_key_pem"]?.string))
            // The bank has it, and signs with the old one; fields may be encrypted to either.
            var link = bench.link
            link.bankKeys = [next] + link.bankKeys
            let both = try CWP1Custodian(link: link, outbound: bench.outbound) { SimulatorClock.realNow() }
            _ = try await both.openSubMerchant(CWP1Bench.opening("SUB1"), serial: "O1").answer()
            try await bench.control("POST", "keys", ["use": .string(next.serial)])
            _ = try await both.openSubMerchant(CWP1Bench.opening("SUB2"), serial: "O2").answer()
            let old = await bench.custodian.openSubMerchant(CWP1Bench.opening("SUB3"), serial: "O3")
            #expect(old.doubt == .badSignature)
            try await bench.control("POST", "keys", ["retire": .string(bench.link.bankKeys[0].serial)])
            // Ours: two serials of which each is taken.
            let keys = try CWP1KeyPair(.sm2SM3)
            try await bench.control(
                "POST", "markets",
                [
                    "partner_id": "P0000001", "market_id": .string(CWP1Bench.marketID),
                    "partner_keys": [
                        ["serial": "P1", "pem": .string(try CWP1Bench.sm2Keys.get().publicPEM)],
                        ["serial": "P2", "pem": .string(keys.publicPEM)],
                    ],
                ])
            link.partnerSerial = "P2"
            link.partnerPrivateKeyPEM = keys.privatePEM
            let renewed = try CWP1Custodian(link: link, outbound: bench.outbound) { SimulatorClock.realNow() }
            _ = try await renewed.querySubMerchant(number: "SUB1", serial: "Q1").answer()
            _ = try await both.querySubMerchant(number: "SUB1", serial: "Q2").answer()
        }
    }

    @Test func `money is frozen, released and moved between function accounts`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let account = try await fundedMerchant(bench)
            _ = try await custodian.freeze(
                FreezeInstruction(number: "F1", account: account, amount: Fen(600), reason: "dispute"), serial: "Z1"
            ).answer()
            var balance = try await custodian.queryBalance(of: account, serial: "B1").answer()
            #expect(balance.withdrawable == Fen(9000))
            #expect(balance.frozen == Fen(600))
            #expect(balance.total == Fen(9600))
            let over = await custodian.release(
                FreezeRelease(number: "R0", freezeNumber: "F1", amount: Fen(601), reason: "over"), serial: "Z2")
            #expect(over.refusalCode == "100225")
            _ = try await custodian.release(
                FreezeRelease(number: "R1", freezeNumber: "F1", amount: Fen(600), reason: "settled"), serial: "Z3"
            ).answer()
            try await bench.control(
                "POST", "deposits", ["market_id": .string(CWP1Bench.marketID), "amount_fen": 5000])
            let transfer = TransferInstruction(
                number: "X1", from: bench.depositAccount, to: bench.marketingAccount, amount: Fen(1000),
                purpose: .marketing, memo: "campaign")
            #expect(try await custodian.transfer(transfer, serial: "X1").answer().state == .succeeded)
            // Sent again, it is not done again.
            #expect(try await custodian.transfer(transfer, serial: "X1").answer().state == .succeeded)
            balance = try await custodian.queryBalance(of: bench.marketingAccount, serial: "B2").answer()
            #expect(balance.withdrawable == Fen(1000))
            let stolen = await custodian.transfer(
                TransferInstruction(
                    number: "X2", from: account, to: bench.feeAccount, amount: Fen(1), purpose: .fee, memo: ""),
                serial: "X2")
            #expect(stolen.refusalCode == "100001" || stolen.refusalCode == "100226")
            #expect(try await bench.balances()["invariant_ok"]?.bool == true)
        }
    }

    @Test func `unknown money is listed, given to an account, and taken back`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let account = try await bench.openMerchant("SUB1")
            let came = try await bench.control(
                "POST", "transfers",
                [
                    "market_id": .string(CWP1Bench.marketID), "amount_fen": 70_000, "payer": "某某公司 6222021234567890",
                    "memo": "货款",
                ])
            let number = try #require(came["bank_seq_no"]?.string)
            let letter = try #require(try await bench.inbox.wait("VOSTRO.NOTIFY").first)
            guard case .suspense(let told) = try custodian.notice(in: letter.bytes) else {
                Issue.record("no suspense")
                return
            }
            #expect(told.number == number)
            #expect(told.payer?.contains("6222021234567890") == false)
            let listed = try await custodian.listSuspense(CWP1OperationTests.day, cursor: nil, serial: "L1").answer()
            #expect(listed.items.map(\.left) == [Fen(70_000)])
            let assignment = SuspenseAssignment(
                number: "A1", entryNumber: number, account: account, amount: Fen(30_000), memo: "stock")
            #expect(try await custodian.assignSuspense(assignment, serial: "A1").answer().state == .succeeded)
            #expect(try await bench.account(account)["withdrawable_fen"]?.integer == 30_000)
            let rest = SuspenseAssignment(
                number: "A2", entryNumber: number, account: account, amount: Fen(40_001), memo: "")
            #expect(await custodian.assignSuspense(rest, serial: "A2").refusalCode != nil)
            #expect(
                try await custodian.undoSuspense(assignmentNumber: "A1", serial: "U1").answer().state == .succeeded)
            #expect(await custodian.undoSuspense(assignmentNumber: "A1", serial: "U2").refusalCode == "100229")
            #expect(try await bench.account(account)["withdrawable_fen"]?.integer == 0)
            let entries = try await custodian.listTransactions(
                of: account, CWP1OperationTests.day, cursor: nil, serial: "T1"
            ).answer()
            #expect(entries.items.map(\.amount) == [Fen(30_000), Fen(-30_000)])
            #expect(entries.items.map(\.balance) == [Fen(30_000), Fen(0)])
            #expect(entries.items.map(\.kind) == ["SUSP.ASSIGN", "SUSP.UNDO"])
        }
    }

    @Test func `a split is told item by item and taken back, and a receipt is confirmed in parts`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let account = try await bench.openMerchant("SUB1")
            _ = try await custodian.syncOrder(
                bench.order("O1", account, isPaid: true, merchantPart: 9600), serial: "S1"
            ).answer()
            try await bench.fault("SPLIT.CREATE", "part_failed")
            let items: [OrderRegistration.Part] = [
                .init(number: "S2", account: bench.feeAccount, amount: Fen(400), isCommission: true),
                .init(number: "S1", account: account, amount: Fen(600), isCommission: false),
            ]
            _ = try await custodian.split(
                SplitInstruction(number: "SP1", orderNumber: "O1", items: items, isLast: false), serial: "P1"
            ).answer()
            let told = try await custodian.querySplit(number: "SP1", orderNumber: "O1", serial: "Q1").answer()
            #expect(told.items.map(\.number) == ["S2", "S1"])
            guard case .failed(let refusal) = told.items[0].state else {
                Issue.record("the first item did not fail")
                return
            }
            #expect(refusal.code == "B3201")
            #expect(told.items[1].state == .succeeded)
            let reversal = SplitReversal(
                number: "RV1", splitNumber: "SP1", orderNumber: "O1",
                items: [.init(partNumber: "S1", account: account, amount: Fen(200))])
            #expect(try await custodian.reverseSplit(reversal, serial: "RV1").answer().state == .succeeded)
            let more = SplitReversal(
                number: "RV2", splitNumber: "SP1", orderNumber: "O1",
                items: [.init(partNumber: "S1", account: account, amount: Fen(401))])
            #expect(await custodian.reverseSplit(more, serial: "RV2").refusalCode == "100220")
            _ = try await custodian.confirmSettlement(
                SettlementConfirmation(
                    number: "C1", orderNumber: "O1",
                    parts: [.init(number: "S1", account: account, amount: Fen(1000), isCommission: false)]),
                serial: "C1"
            ).answer()
            #expect(try await custodian.queryOrder(number: "O1", serial: "Q2").answer().held == Fen(8600))
            _ = try await custodian.confirmSettlement(
                SettlementConfirmation(number: "C2", orderNumber: "O1", parts: []), serial: "C2"
            ).answer()
            let order = try await custodian.queryOrder(number: "O1", serial: "Q3").answer()
            #expect(order == CustodianOrder(state: .finished, held: .zero))
            #expect(try await bench.account(account)["pending_fen"]?.integer == 9600)
        }
    }

    @Test func `an order is cancelled before its money comes, and not after`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let account = try await bench.openMerchant("SUB1")
            _ = try await custodian.syncOrder(bench.order("O1", account, isPaid: true), serial: "S1").answer()
            #expect(try await custodian.cancelOrder(number: "O1", serial: "X1").answer().state == .succeeded)
            #expect(try await custodian.queryOrder(number: "O1", serial: "Q1").answer().state == .cancelled)
            let again = await custodian.syncOrder(bench.order("O1", account, isPaid: true), serial: "S2")
            #expect(again.refusalCode == "100217")
            _ = try await custodian.syncOrder(bench.order("O2", account, isPaid: true), serial: "S3").answer()
            try await bench.credit(["O2"])
            #expect(await custodian.cancelOrder(number: "O2", serial: "X2").refusalCode == "100218")
            #expect(try await custodian.queryOrder(number: "O9", serial: "Q2").answer().state == .absent)
        }
    }

    @Test func `a bank that collects is paid, notifies, and has the money on the next day`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let account = try await bench.openMerchant("SUB1")
            let collection = CollectionInstruction(
                order: bench.order("O1", account, isPaid: false), method: .native, description: "茶叶",
                expiresAt: try #require(Instant(text: "20261005123000")))
            let placed = try await custodian.collect(collection, serial: "K1").answer()
            guard case .toPay(.code(let code)) = placed.state else {
                Issue.record("\(placed.state)")
                return
            }
            #expect(code.hasPrefix("https://"))
            let pay: JSON = ["market_id": .string(CWP1Bench.marketID), "main_order_no": "O1"]
            try await bench.control("POST", "pay", pay)
            let letter = try #require(try await bench.inbox.wait("PAY.NOTIFY").first)
            guard case .collection("O1", let told) = try custodian.notice(in: letter.bytes), case .paid = told.state
            else {
                Issue.record("no payment")
                return
            }
            #expect(await custodian.closeCollection(number: "O1", serial: "K2").refusalCode == "100208")
            try await bench.clock("2026-10-06T03:00:00+08:00")
            #expect(try await custodian.queryOrder(number: "O1", serial: "Q1").answer().state == .funded)
            #expect(try await bench.balances()["master_fen"]?.integer == 9940)
        }
    }

    @Test func `what the bank does not have is refused before it is sent`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            var capabilities = Capabilities.cwp1
            capabilities.operations.remove(.freeze)
            let custodian = try CWP1Custodian(
                link: bench.link, outbound: bench.outbound, capabilities: capabilities
            ) { SimulatorClock.realNow() }
            let freeze = FreezeInstruction(number: "F1", account: "A", amount: Fen(1), reason: "r")
            #expect(await custodian.freeze(freeze, serial: "F1").refusalCode == Refusal.unsupportedCode)
            let receiver = SplitReceiver(kind: .merchant, account: "A", name: nil, relation: "OTHERS")
            #expect(await custodian.addReceiver(receiver, serial: "R1").refusalCode == Refusal.unsupportedCode)
            #expect(await bench.custodian.freeze(freeze, serial: "F1").refusalCode == "100206")
        }
    }
}

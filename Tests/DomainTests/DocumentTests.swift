import CustodyDomain
import Foundation
import Testing

/// What the documents say, held against the code in both directions.
struct DocumentTests {
    @Test func `docs/states.md draws every move that the code allows, and no other`() throws {
        let text = try Document.read("docs/states.md")
        try expectDrawn(SubMerchantState.self, in: text)
        try expectDrawn(BankAccountState.self, in: text)
        try expectDrawn(OrderState.self, in: text)
        try expectDrawn(PaymentState.self, in: text)
        try expectDrawn(TransferState.self, in: text)
        try expectDrawn(InstructionState.self, in: text)
        try expectDrawn(DiscrepancyState.self, in: text)
        try expectDrawn(ExpectedStatementState.self, in: text)
        let machines = try Document.read("Sources/CustodyDomain/States/StateMachine.swift")
            .matches(of: #/public enum (\w+): String, StateMachine/#).map { String($0.1) }
        let headings = text.matches(of: #/(?m)^## (\w+)$/#).map { String($0.1) }
        #expect(headings == machines)
    }

    private func expectDrawn<Machine: StateMachine>(_ machine: Machine.Type, in text: String) throws {
        let section = try #require(text.components(separatedBy: "\n## \(machine)\n").dropFirst().first)
        let diagram = try #require(section.components(separatedBy: "```mermaid\n").dropFirst().first)
        var drawn: Set<String> = []
        for line in try #require(diagram.components(separatedBy: "```").first).split(separator: "\n").dropFirst() {
            let arrow = try #require(line.wholeMatch(of: #/\s+(\S+) --> ([^\s:]+)(: .+)?/#), "\(machine): \(line)")
            if arrow.1 == "[*]" {
                #expect(Machine(rawValue: String(arrow.2)) != nil)
                continue
            }
            #expect(arrow.2 == "[*]" || arrow.3 != nil, "\(machine): nobody moves \(line)")
            #expect(drawn.insert("\(arrow.1) \(arrow.2)").inserted, "\(machine): twice: \(line)")
        }
        let moves = Machine.allCases.flatMap { state in
            let next = Machine.moves[state] ?? []
            return next.isEmpty ? ["\(state.rawValue) [*]"] : next.map { "\(state.rawValue) \($0.rawValue)" }
        }
        #expect(drawn == Set(moves), "\(machine): \(drawn.symmetricDifference(moves))")
    }

    @Test func `docs/errors.md lists every code with its status, and no other`() throws {
        let rejections = try Document.read("Sources/CustodyDomain/Rejections/Rejection.swift")
        let mapping = try Document.read("Sources/CustodyAPI/HTTP/Rejection+HTTP.swift")
        let statuses = [
            "badRequest": "400", "unauthorized": "401", "forbidden": "403", "notFound": "404",
            "methodNotAllowed": "405", "conflict": "409", "contentTooLarge": "413", "unprocessableContent": "422",
            "internalServerError": "500", "serviceUnavailable": "503",
        ]
        var statusOfCase: [String: String] = [:]
        for group in mapping.matches(of: #/case ([^:]+):\s+\.(\w+)/#) {
            for name in group.1.matches(of: #/\.(\w+)/#) { statusOfCase[String(name.1)] = statuses[String(group.2)] }
        }
        var expected: Set<String> = []
        for code in rejections.matches(of: #/case \.(\w+): "([a-z_]+)"/#) {
            let status = try #require(statusOfCase[String(code.1)], "\(code.1) has no status")
            expected.insert("\(code.2) \(status)")
        }
        #expect(expected.contains(Rejection.fourEyes.code + " 422"))
        for own in try Document.read("Sources/CustodyAPI/HTTP/Problem.swift")
            .matches(of: #/status: \.(\w+), code: "([a-z_]+)"/#)
        {
            expected.insert("\(own.2) \(try #require(statuses[String(own.1)]))")
        }
        let listed = try Document.rows("docs/errors.md").map { "\($0[0]) \($0[1])" }
        #expect(Set(listed).count == listed.count)
        #expect(Set(listed) == expected, "\(expected.symmetricDifference(listed))")
    }

    @Test func `docs/jobs.md lists every kind of job with its queue, and no other`() throws {
        let kinds = JobKind.allCases.map { "\($0.rawValue) \($0.queue.rawValue)" }
        let rows = try Document.rows("docs/jobs.md")
        let listed = rows.filter { JobKind(rawValue: $0[0]) != nil || Queue(rawValue: $0[0]) == nil }
            .map { "\($0[0]) \($0[1].replacing("`", with: ""))" }
        #expect(Set(listed) == Set(kinds), "\(Set(kinds).symmetricDifference(listed))")
        let queues = rows.compactMap { Queue(rawValue: $0[0]) }.filter { JobKind(rawValue: $0.rawValue) == nil }
        #expect(Set(queues) == Set(Queue.allCases))
    }

    @Test func `docs/operating/run.md lists every setting, and every option of a process is one`() throws {
        let settings = try Document.read("Sources/custody/Settings.swift")
        let block = try #require(settings.firstMatch(of: #/static let known[^\[]*\[([^\]]*)\]/#))
        let known = Set(block.1.matches(of: #/"([a-z_]+)"/#).map { String($0.1) })
        #expect(known.contains("concurrency") && known.count > 20)
        var listed: Set<String> = []
        for line in try Document.read("docs/operating/run.md").split(separator: "\n")
        where line.hasPrefix("| `CUSTODY_") {
            let names = try #require(line.split(separator: "|").first).matches(of: #/CUSTODY_([A-Z_]+)/#)
            for name in names.map({ $0.1.lowercased() }) { #expect(listed.insert(name).inserted, "twice: \(name)") }
        }
        // These name the file itself, and what only simulators take.
        #expect(listed == known.union(["config", "simulator_listen"]), "\(listed.symmetricDifference(known))")
        for file in ["ProcessOptions", "StoreOptions", "DatabaseOptions", "Serve", "Work"] {
            let text = try Document.read("Sources/custody/\(file).swift")
            for option in text.matches(of: #/@Option\([\s\S]*?\n?    var (\w+): /#) {
                let name = String(option.1).replacing("URL", with: "Url").replacing("TLS", with: "Tls")
                let setting = name.replacing(#/[A-Z]/#) { "_" + $0.output.lowercased() }
                #expect(known.contains(setting), "\(file): \(setting)")
            }
        }
    }

    @Test func `docs/operating/bad-input.md names tests, codes and actions that there are, and misses no code`() throws
    {
        let tests = Set(
            try Document.sources("Tests").flatMap { $0.matches(of: #/func\s+`([^`]+)`/#).map { String($0.1) } })
        let sources = try Document.sources("Sources").joined(separator: "\n")
        func codes(_ path: String) throws -> Set<String> {
            Set(
                try Document.read(path).matches(of: #/(?m)^ +case (\w+)(?: = "([a-z_]+)")?$/#)
                    .map { String($0.2 ?? $0.1) })
        }
        let refusals = try codes("Sources/CustodyAPI/Callbacks/CallbackRefusal.swift")
        let results = try codes("Sources/CustodyWorkers/Jobs/CallbackResult.swift")
        let doubts = try codes("Sources/CustodyConnectors/Reply.swift")
        let rejections = Set(
            try Document.read("Sources/CustodyDomain/Rejections/Rejection.swift")
                .matches(of: #/case \.\w+: "([a-z_]+)"/#).map { String($0.1) })
        #expect(refusals.count == 11 && results.count == 18 && doubts.contains("no_answer"))
        // `taken` is no code: what it says of a file makes no difference.
        let known = refusals.union(results).union(doubts).union(rejections).union(["taken"])

        var named: Set<String> = []
        var rows: Set<[String]> = []
        for line in try Document.read("docs/operating/bad-input.md").split(separator: "\n") where line.hasPrefix("| ") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.first != "Input" else { continue }
            #expect(cells.count == 5, "\(line)")
            guard cells.count == 5 else { continue }
            #expect(rows.insert([cells[0], cells[1], cells[4]]).inserted, "twice: \(line)")
            let found = cells[2].matches(of: #/`([^`]+)`/#).map { String($0.1) }
            #expect(!found.isEmpty && known.isSuperset(of: found), "\(line)")
            named.formUnion(found)
            if let action = cells[3].wholeMatch(of: #/`([a-z_.]+)`/#) {
                #expect(sources.contains("\"\(action.1)\""), "\(line)")
            } else {
                #expect(cells[3] == "—", "\(line)")
            }
            #expect(tests.contains(cells[4]), "\(line)")
        }
        // What comes of good callbacks, and need not be here.
        let good: Set = ["refunded", "second_for_order", "processing", "closed", "asked", "kept"]
        #expect(refusals.union(results).subtracting(good).subtracting(named) == [])
    }

    @Test func `docs/ledger.md lists every event that is booked and every account, and no other`() throws {
        var expected: Set<String> = []
        for source in try Document.sources("Sources/CustodyStore") {
            for event in source.matches(of: #/LedgerEntry\("([a-z_.]+)"|release\(\w+, as: "([a-z_.]+)"/#) {
                if let name = event.1 ?? event.2 { expected.insert(String(name)) }
            }
        }
        #expect(expected.contains("discrepancy.cleared_next_day"))
        let rows = try Document.rows("docs/ledger.md")
        let events = rows.map { $0[0] }.filter { $0.contains(".") }
        #expect(Set(events).count == events.count)
        #expect(Set(events) == expected, "\(expected.symmetricDifference(events))")

        let party = Account.Party.platform
        let accounts: [Account] = [
            .clearing(.alipay), .bankCash, .feeReceivable, .held(party), .pending(party), .available(party),
            .frozen(party), .withdrawing(party), .refunding, .reserve, .suspense, .writeOff,
        ]
        let kinds = try Document.read("Sources/CustodyDomain/Ledger/LedgerEntry.swift")
            .matches(of: #/case \.\w+: "([a-z_]+)"/#).map { String($0.1) }
        #expect(Set(kinds) == Set(accounts.map(\.kind)))
        let listed = rows.filter { kinds.contains($0[0]) && ["debit", "credit"].contains($0[1]) }
            .map { "\($0[0]) \($0[1]) \($0[2])" }
        let chart = accounts.map {
            "\($0.kind) \($0.isDebitNormal ? "debit" : "credit") \($0.isGuarded ? "yes" : "no")"
        }
        #expect(Set(listed) == Set(chart), "\(Set(chart).symmetricDifference(listed))")
    }
}

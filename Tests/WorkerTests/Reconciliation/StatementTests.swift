import CustodyDomain
import CustodyStore
import CustodyWire
import CustodyWorkers
import Foundation
import TestSupport
import Testing

/// Statements of every form, brought in as an operator does.
@Suite struct StatementTests {
    /// Every statement of the folder, without what stands beside statements.
    static let names = Bill.files.filter {
        !$0.hasSuffix(".ok") && !$0.hasSuffix(".json") && !$0.hasPrefix("bank_mybankstyle_finish_")
    }

    private static func source(of name: String) -> StatementSource {
        name.hasPrefix("wechat_") ? .weChatPay : name.hasPrefix("alipay_") ? .alipay : .bank
    }

    private static func verified(_ name: String) throws -> (VerifiedStatement, StatementSubject) {
        let file = try StatementFile(path: Bill.folder.appending(path: name).path)
        let ok = try? Bill.bytes(of: String(name.dropLast(4)) + ".ok")
        let statement = try VerifiedStatement(verifying: file, from: source(of: name), ok: ok)
        let subject = StatementSubject(
            source: source(of: name), form: statement.summary.series, date: try #require(statement.summary.date))
        return (statement, subject)
    }

    @Test(arguments: names)
    func `a statement is kept whole, byte for byte and line for line, once`(_ name: String) async throws {
        let (statement, subject) = try Self.verified(name)
        let world = try await TestStore.make().world()
        for isNew in [true, false] {
            let kept = try await world.run { tx in
                try await tx.keep(statement, subject: subject, fileName: name)
            }
            #expect(kept.isNew == isNew)
            #expect(kept.statement.lineCount == statement.summary.lineCount)
            #expect(kept.statement.amount == statement.summary.amount)
            #expect(kept.statement.isCurrent)
            let stored = try await world.storedStatement(kept.statement.id)
            #expect(stored.bytes == (try Bill.bytes(of: name)))
            let content = try StatementContent(reading: statement.file, from: subject.source)
            #expect(stored.lines == content.lines)
        }
        #expect(try await world.violations() == [])
    }

    @Test func `a file that changes while it is read leaves nothing behind`() async throws {
        let world = try await TestStore.make().world()
        let name = "wechat_tradebill_ALL_2026-10-05.csv"
        let path = FileManager.default.temporaryDirectory.appending(path: "custody-\(UUID().uuidString).csv")
        defer { try? FileManager.default.removeItem(at: path) }
        var bytes = try Bill.bytes(of: name)
        try Data(bytes).write(to: path)
        let statement = try VerifiedStatement(verifying: StatementFile(path: path.path), from: .weChatPay)
        let subject = StatementSubject(
            source: .weChatPay, form: "trade", date: try #require(statement.summary.date))
        // A byte deep in the file breaks; its length stays.
        let place = try #require(bytes.firstRange(of: Array("tenant-1".utf8)))
        bytes[place.lowerBound] = 0xFF
        let handle = try FileHandle(forWritingTo: path)
        try handle.write(contentsOf: Data(bytes))
        try handle.close()
        let defect = await #expect(throws: StatementDefect.self) {
            try await world.run { _ = try await $0.keep(statement, subject: subject, fileName: name) }
        }
        #expect(defect == StatementDefect("not UTF-8", file: path.lastPathComponent, line: 2))
        let left = try await world.run { try await $0.statements(source: nil, on: nil, before: nil, limit: 10) }
        #expect(left == [])
        // The transaction was rolled back with everything in it, and the connection serves on.
        #expect(try await world.violations() == [])
    }

    @Test func `a file of another form or day is refused`() async throws {
        let world = try await TestStore.make().world()
        let (statement, subject) = try Self.verified("alipay_business_detail_2026-10-05.gbk.csv")
        let other = StatementSubject(source: .alipay, form: "trade", date: subject.date.advanced(by: 1))
        let refused = try await rejection {
            _ = try await world.run { try await $0.keep(statement, subject: other, fileName: "f") }
        }
        #expect(refused == .statementDefect(reason: "it is about 2026-10-05, not 2026-10-06", line: nil))
        for name in Self.names {
            let file = StatementFile(try Bill.bytes(of: name), name: name)
            let wrong = StatementSubject(source: Self.source(of: name), form: "nothing", date: subject.date)
            #expect(throws: StatementDefect.self) { try wrong.verified(file) }
        }
    }

    @Test func `a day without a file is kept as a day without lines`() async throws {
        let world = try await TestStore.make().world()
        let date = try #require(BusinessDate("2026-10-05"))
        let subject = StatementSubject(source: .weChatPay, form: "trade", date: date)
        let empty = VerifiedStatement(emptyDay: date, from: .weChatPay, form: "trade")
        for isNew in [true, false] {
            let kept = try await world.run { try await $0.keep(empty, subject: subject, fileName: "empty") }
            #expect(kept.isNew == isNew && kept.statement.lineCount == 0)
        }
    }
}

import CustodyDomain
import CustodyWire
import Foundation
import Testing

/// The three sample files of a day, made by others, and everything in which they could disagree.
@Suite struct CCBPackageTests {
    private static let stem = "bank_ccbstyle_41060860899999-20261005-"

    /// The sample as text: its rows are GBK.
    private static func text(_ part: CCBPackage.Part) throws -> String {
        try GB18030.decode(try StatementFileTests.bytes(stem + part.rawValue + ".txt"))
    }

    private static func package(
        _ change: (inout [CCBPackage.Part: String]) -> Void
    ) throws -> Result<CCBPackage, StatementDefect> {
        var texts: [CCBPackage.Part: String] = [:]
        for part in CCBPackage.Part.allCases { texts[part] = try text(part) }
        change(&texts)
        func file(_ part: CCBPackage.Part) throws -> StatementFile {
            StatementFile(try GB18030.encode(texts[part] ?? ""), name: part.rawValue)
        }
        let (payments, splits, sums) = (try file(.payments), try file(.splits), try file(.splitSums))
        do throws(StatementDefect) {
            return .success(try CCBPackage(payments: payments, splits: splits, splitSums: sums))
        } catch {
            return .failure(error)
        }
    }

    @Test func `the sample's files agree`() throws {
        let package = try CCBPackageTests.package { _ in }.get()
        #expect(package.payments.summary.form == "CHK")
        #expect(package.payments.summary.lineCount > 10)
        // What is not paid out yet is in the details alone.
        #expect(package.splitSums.summary.amount < package.splits.summary.amount)
    }

    @Test(arguments: [
        // What is changed where, and where the defect is found: file, line, column.
        ("det", "|343.47|2|20261006|2.18|", "|343.48|2|20261006|2.18|", "det", 2, "SHLD_SUBACC_AMT"),
        (
            "det", "343.47|2|20261006|2.18|T2026100500000000000001|345.65",
            "343.48|2|20261006|2.18|T2026100500000000000001|345.66", "sum", 3, "TO_CLRGAMT"
        ),
        ("sum", "|1357.00|", "|1357.01|", "sum", 3, "TO_CLRGAMT"),
        ("sum", "41060860899999000012", "41060860899999000013", "det", 6, "RCVPRT_MKT_MRCH_ID"),
        ("chk", "|363.84|", "|363.83|", "det", 3, "SHLD_SUBACC_AMT"),
        ("chk", "|2.18|00|", "|2.17|00|", "det", 2, "HDCG_AMT"),
        ("chk", "T20261005000000000001|", "T20261005000000000000|", "chk", 3, "MAIN_ORDR_NO"),
    ])
    func `a disagreement is found where it is`(
        part: String, old: String, new: String, file: String, line: Int, column: String
    ) throws {
        let changed = try #require(CCBPackage.Part(rawValue: part))
        let result = try CCBPackageTests.package { texts in
            #expect(texts[changed]?.contains(old) == true)
            texts[changed] = texts[changed]?.replacingOccurrences(of: old, with: new)
        }
        let defect = #expect(throws: StatementDefect.self) { try result.get() }
        #expect(defect?.file == file && defect?.line == line && defect?.column == column, "\(defect?.sentence ?? "")")
    }

    @Test func `files of other days, other markets or other kinds are no package`() throws {
        let otherDay = try CCBPackageTests.package {
            $0[.splitSums] = $0[.splitSums]?.replacingOccurrences(of: "20261006", with: "20261007")
        }
        #expect(throws: StatementDefect.self) { try otherDay.get() }
        let otherMarket = try CCBPackageTests.package {
            for part in [CCBPackage.Part.splits, .splitSums] {
                $0[part] = $0[part]?.replacingOccurrences(of: "41060860899999", with: "41060860899998")
            }
        }
        let defect = #expect(throws: StatementDefect.self) { try otherMarket.get() }
        #expect(defect?.reason.contains("another market") == true)
        let swapped = try CCBPackageTests.package { ($0[.splits], $0[.splitSums]) = ($0[.splitSums], $0[.splits]) }
        #expect(try #require(throws: StatementDefect.self) { try swapped.get() }.reason.contains("not of det"))
    }

    @Test func `an order may be split later than it was paid, or for less`() throws {
        let package = try CCBPackageTests.package { texts in
            let lines = (texts[.payments] ?? "").split(separator: "\n").map(String.init)
            texts[.payments] = ([lines[0]] + lines.dropFirst(3)).map { $0 + "\n" }.joined()
        }
        #expect(try package.get().payments.summary.lineCount > 0)
    }
}

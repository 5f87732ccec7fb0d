import CustodyDomain
import CustodyWire
import Foundation

/// A statement's file as sources deliver it when something is odd or wrong, made from the samples.
public struct SpoiledFile: Sendable, CustomStringConvertible {
    /// Its name, as it would be delivered.
    public let name: String
    /// Whose it would be.
    public let source: StatementSource
    /// What is in it.
    public let bytes: [UInt8]
    /// What the refusal says: file, line and column as far as there are any, and the reason; nil for one that is taken.
    public let refusal: String?

    /// Its name.
    public var description: String { name }

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fixtures/samples")
    private static let date = BusinessDate(daysSinceEpoch: 20_731)

    private init(_ name: String, _ source: StatementSource, _ bytes: [UInt8], _ refusal: String?) {
        self.name = name
        self.source = source
        self.bytes = bytes
        self.refusal = refusal
    }

    /// All of them; the same files each time.
    public static func all() throws -> [SpoiledFile] { try weChatPay() + alipay() + bank() }

    private static func sample(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: folder.appending(path: name)))
    }

    /// WeChat Pay's trade bill, in every way that it can be odd or wrong.
    public static func weChatPay() throws -> [SpoiledFile] {
        let bytes = try sample("wechat_tradebill_ALL_2026-10-05.csv")
        let packed = try sample("wechat_tradebill_ALL_2026-10-05.csv.gz")
        let text = String(decoding: bytes, as: UTF8.self).replacing("\r\n", with: "\n")
        let lines = text.split(separator: "\n").map(String.init)
        func file(_ name: String, _ content: [UInt8], _ refusal: String?) -> SpoiledFile {
            SpoiledFile(name, .weChatPay, content, refusal)
        }
        func file(_ name: String, _ content: String, _ refusal: String?) -> SpoiledFile {
            file(name, Array(content.utf8), refusal)
        }
        let unknown = lines.enumerated().map { index, line in
            index == 0 ? line + ",新栏目" : index <= 20 ? line + ",`new" : line
        }
        // A character loses its last byte: the comma behind it is no part of one.
        var broken = bytes
        let character = Array("测试商品0".utf8)
        if let place = broken.firstRange(of: character) { broken.remove(at: place.lowerBound + 2) }
        var damaged = packed
        damaged[packed.count - 6] ^= 1
        let bomb = Gzip.compressed(
            Array((lines[0] + "\n" + String(repeating: lines[1] + "\n", count: 60_000)).utf8))
        return [
            file("bom.csv", [0xEF, 0xBB, 0xBF] + bytes, nil),
            file("lf.csv", text, nil),
            file("crlf.csv", text.replacing("\n", with: "\r\n"), nil),
            file("unknown-column.csv", unknown.joined(separator: "\n") + "\n", nil),
            file(
                "missing-column.csv", text.replacing("商户订单号", with: "订单号"),
                "line 1, column 商户订单号: a column is missing"),
            file(
                "missing-summary.csv", lines.dropLast(2).joined(separator: "\n") + "\n",
                "line 22: the file ends without its summary"),
            file(
                "total-off-by-a-fen.csv", text.replacing("`8342.58", with: "`8342.59"),
                "line 23, column 应结订单总金额: the rows do not add up to the summary"),
            file(
                "row-off-by-a-fen.csv", text.replacing("`CNY,`363.84", with: "`CNY,`363.85"),
                "line 23, column 应结订单总金额: the rows do not add up to the summary"),
            file(
                "count-off-by-one.csv", text.replacing("\n`20,", with: "\n`21,"),
                "line 23, column 总交易单数: the summary counts other rows than there are"),
            file("page.csv", "<html><body>busy</body></html>\n", "line 1, column 交易时间: a column is missing"),
            file("empty.csv", [], "the file is empty"),
            file("broken-character.csv", broken, "line 2: not UTF-8"),
            file("cut.csv.gz", Array(packed.prefix(packed.count / 2)), "the compressed file is cut short"),
            file("damaged.csv.gz", damaged, "the compressed file is broken"),
            file("bomb.csv.gz", bomb, "larger than allowed when unpacked"),
        ]
    }

    private static func alipay() throws -> [SpoiledFile] {
        let bytes = try sample("alipay_business_detail_2026-10-05.gbk.csv")
        let archive = try sample("alipay_20880000000000000156_20261005.csv.zip")
        let text = try GB18030.decode(bytes)
        let lines = text.split(separator: "\r\n").map(String.init)
        func file(_ name: String, _ content: [UInt8], _ refusal: String?) -> SpoiledFile {
            SpoiledFile(name, .alipay, content, refusal)
        }
        func file(_ name: String, _ content: [String], _ refusal: String?) throws -> SpoiledFile {
            file(name, try GB18030.encode(content.joined(separator: "\r\n") + "\r\n"), refusal)
        }
        var broken = bytes
        let character = try GB18030.encode("测试商品0")
        if let place = broken.firstRange(of: character) {
            broken.removeSubrange((place.lowerBound + 1)..<place.upperBound)
        }
        let entry = "20880000000000000156_20261005_业务明细.csv"
        let row = try GB18030.encode(lines[5] + "\r\n")
        let head = try GB18030.encode(lines[0..<5].joined(separator: "\r\n") + "\r\n")
        let bomb = try ZipArchive.bytes(
            of: [(entry, head + Array(repeatElement(row, count: 60_000).joined()))], modifiedAt: date.start)
        let off = lines.map { line in
            guard line.hasPrefix("#交易合计"), let point = line.firstRange(of: "商家实收共") else { return line }
            // The last digit of the fen becomes another.
            let end = line[point.upperBound...].firstIndex(of: "元") ?? line.endIndex
            let last = line.index(before: end)
            return line.replacingCharacters(in: last..<end, with: line[last] == "9" ? "8" : "9")
        }
        return [
            try file("lf-alipay.csv", lines, nil),
            file("plain-lf-alipay.csv", try GB18030.encode(lines.joined(separator: "\n") + "\n"), nil),
            file("broken-character-alipay.csv", broken, "line 6: not GB18030"),
            try file(
                "missing-totals-alipay.csv", lines.filter { !$0.contains("合计") }, "missing-totals-alipay.csv"),
            try file("total-off-by-a-fen-alipay.csv", off, "total-off-by-a-fen-alipay.csv, line"),
            try file(
                "missing-column-alipay.csv", lines.map { $0.replacing("商户订单号", with: "订单号") },
                "line 5, column 商户订单号: a column is missing"),
            file("bomb-alipay.csv.zip", bomb, "larger than allowed when unpacked"),
            file("cut-alipay.csv.zip", Array(archive.prefix(archive.count / 2)), "broken zip file"),
            file("page-alipay.csv.zip", Array("<html><body>expired</body></html>\n".utf8), "page-alipay.csv.zip"),
            file("empty-alipay.csv.zip", [UInt8](), "the file is empty"),
        ]
    }

    private static func bank() throws -> [SpoiledFile] {
        let bytes = try sample("custody_P0000001_M00000000001_PAY_20261005_01.txt")
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        func file(_ name: String, _ content: [String], _ refusal: String?) -> SpoiledFile {
            SpoiledFile(name, .bank, Array((content.joined(separator: "\n") + "\n").utf8), refusal)
        }
        let trailer = (lines.last ?? "").split(separator: "|").map(String.init)
        let off = ["T", trailer[1], String((Int64(trailer[2]) ?? 0) + 1)].joined(separator: "|")
        return [
            file("plain-bank.txt", lines, nil),
            file("missing-trailer-bank.txt", Array(lines.dropLast()), "missing-trailer-bank.txt"),
            file("total-off-by-a-fen-bank.txt", lines.dropLast() + [off], "line \(lines.count)"),
            file(
                "missing-column-bank.txt",
                lines.map { $0.hasPrefix("C|") ? $0.replacing("channelOrderNo", with: "channelNo") : $0 },
                "line 2, column channelOrderNo: a column is missing"),
            SpoiledFile("page-bank.txt", .bank, Array("<html></html>\n".utf8), "page-bank.txt, line 1"),
            SpoiledFile("empty-bank.txt", .bank, [], "the file is empty"),
        ]
    }
}

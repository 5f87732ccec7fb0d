import CustodyDomain
import CustodyWire
import Foundation
import Testing

@Suite struct `Alipay bills` {
    static let zipName = "samples/alipay_20880000000000000156_20261005.csv.zip"
    static let detailName = "samples/alipay_business_detail_2026-10-05.gbk.csv"
    static let summaryName = "samples/alipay_business_summary_2026-10-05.gbk.csv"
    static let day = BusinessDate("2026-10-05")

    @Test func `the sample archive is read whole`() throws {
        let content = try StatementContent(reading: StatementFile(AlipayFixtures.bytes(Self.zipName)), from: .alipay)
        #expect(content.summary.source == .alipay)
        #expect(content.summary.form == "business_detail")
        #expect(content.summary.account == "20880000000000000156")
        #expect(content.summary.date == Self.day)
        #expect(content.lines.count == 20)
        #expect(content.lines.map(\.lineNumber) == Array(6...25))
        let payment = try #require(content.lines.first)
        #expect(payment.kind == .payment)
        #expect(payment.reference == "A20261005000000000000")
        #expect(payment.parentReference == nil)
        #expect(payment.counterpartNumber == "2026100522001400000000000000")
        #expect(payment.amount == Fen(9455))
        #expect(payment.fee == Fen(57))
        #expect(payment.occurredAt == Instant(text: "2026-10-05 08:01:30"))
        #expect(payment.details["备注"] == "tenant-1")
        #expect(payment.details["对方账户"] == nil)
        let refund = try #require(content.lines.last)
        #expect(refund.kind == .refund)
        #expect(refund.reference == "RA202610050000000002")
        #expect(refund.parentReference == "A20261005000000000009")
        #expect(refund.amount == Fen(47976))
        #expect(refund.fee == Fen(-288))
        let payments = content.lines.filter { $0.kind == .payment }
        #expect(payments.map(\.amount).sum() == Fen(870_862))
        #expect(content.lines.map(\.fee).sum() == Fen(4497))
    }

    @Test func `the detail file alone is read to the same lines`() throws {
        let whole = try StatementContent(reading: StatementFile(AlipayFixtures.bytes(Self.zipName)), from: .alipay)
        #expect(
            try StatementContent(reading: StatementFile(AlipayFixtures.bytes(Self.detailName)), from: .alipay) == whole)
    }

    @Test func `the archive's entries have Chinese names and the sample files' bytes`() throws {
        let archive = try ZipArchive(reading: StatementFile(AlipayFixtures.bytes(Self.zipName)))
        #expect(
            archive.entries.map(\.name) == [
                "20880000000000000156_20261005_业务明细.csv", "20880000000000000156_20261005_业务明细(汇总).csv",
            ])
        #expect(try archive.content(0) == AlipayFixtures.bytes(Self.detailName))
        #expect(try archive.content(1) == AlipayFixtures.bytes(Self.summaryName))
    }

    @Test func `the writer makes the sample files byte for byte`() throws {
        let bill = try sampleBill()
        #expect(try GB18030.encode(bill.detail) == AlipayFixtures.bytes(Self.detailName))
        #expect(try GB18030.encode(bill.summary) == AlipayFixtures.bytes(Self.summaryName))
        #expect(bill.frame.archiveName == "20880000000000000156_20261005.csv.zip")
        #expect(
            try StatementContent(reading: StatementFile(bill.archive()), from: .alipay)
                == StatementContent(reading: StatementFile(AlipayFixtures.bytes(Self.zipName)), from: .alipay))
    }

    @Test func `a day with nothing in it is written and read`() throws {
        let bill = try AlipayBillWriter(
            account: "2088", date: #require(Self.day), exportedAt: Instant(seconds: 1_791_259_200), entries: [])
        let content = try StatementContent(reading: StatementFile(bill.archive()), from: .alipay)
        #expect(content.lines.isEmpty)
        #expect(content.summary.account == "2088")
    }

    @Test func `names with commas and rare characters come back`() throws {
        var bill = try sampleBill()
        var entry = try #require(bill.entries.first)
        entry.subject = "茶,𠮷\t€\n杯"
        bill = AlipayBillWriter(
            account: bill.frame.account, date: bill.frame.first, exportedAt: bill.frame.exportedAt, entries: [entry])
        let line = try #require(StatementContent(reading: StatementFile(bill.archive()), from: .alipay).lines.first)
        #expect(line.details["商品名称"] == "茶，𠮷 € 杯")
    }

    @Test func `half-width parentheses, positive refunds and quoted names are understood`() throws {
        let detail = try sampleBill().detail
            .replacing("（元）", with: "(元)")
            .replacing("-241.58", with: "241.58").replacing("\t,1.45,", with: "\t,-1.45,")
            .replacing("测试商品7,", with: "\"茶,\"\"好\"\"\",")
        let lines = try StatementContent(reading: StatementFile(GB18030.encode(detail)), from: .alipay).lines
        #expect(lines[7].details["商品名称"] == "茶,\"好\"")
        let refund = try #require(lines.first { $0.kind == .refund })
        #expect(refund.amount == Fen(24158))
        #expect(refund.fee == Fen(-145))
    }

    @Test(
        arguments: [
            ("交易合计：17笔", "交易合计：18笔", 27, nil),
            ("商家实收共8708.62元", "商家实收共8708.63元", 27, nil),
            ("商家优惠共0.00元", "商家优惠共0.01元", 27, nil),
            ("退款合计：3笔", "退款合计：2笔", 28, nil),
            ("共-1216.78元", "共-1216.70元", 28, nil),
            ("#交易合计", "#交易", nil, nil),
            ("业务明细列表结束", "业务明细列表", nil, nil),
            ("-4.20,", "4.20,", 12, "服务费（元）"),
            ("878.28,878.28", "878.28,878.2八", 7, "商家实收（元）"),
            ("878.28,878.28", "878.285,878.28", 7, "订单金额（元）"),
            ("2026-10-05 09:01:30", "2026-10-05 09:61:30", 7, "完成时间"),
            ("A20261005000000000003\t", "\t", 9, "商户订单号"),
            ("RA202610050000000001", "", 24, "退款批次号/请求号"),
            ("测试商品5,", "测试,商品5,", 11, nil),
            ("交易\t,测试商品0", "转账\t,测试商品0", 6, "业务类型"),
            ("测试商品1,", "测试\u{0}商品1,", 7, nil),
            ("服务费（元）,", "服务,", 5, "服务费（元）"),
            ("10月06日 00:00:00", "10月07日 00:00:00", 3, nil),
            ("#支付宝业务明细查询", "#支付宝别的明细查询", 1, nil),
        ] as [(String, String, Int?, String?)])
    func `a defect is told with its line and column`(
        _ old: String, _ new: String, _ line: Int?, _ column: String?
    ) throws {
        let text = try sampleBill().detail
        let place = try #require(text.range(of: old))
        let bytes = try GB18030.encode(text.replacingCharacters(in: place, with: new))
        let defect = #expect(throws: StatementDefect.self) {
            try StatementContent(reading: StatementFile(bytes), from: .alipay)
        }
        #expect(defect?.line == line)
        #expect(defect?.column == column)
    }

    @Test func `bytes that are no GB18030 are refused with their line`() throws {
        var bytes = try AlipayFixtures.bytes(Self.detailName)
        let place = try #require(bytes.indices.first { bytes[..<$0].count { $0 == 0x0A } == 8 })
        bytes[place] = 0xFF
        let defect = #expect(throws: StatementDefect.self) {
            try StatementContent(reading: StatementFile(bytes), from: .alipay)
        }
        #expect(defect == StatementDefect("not GB18030", line: 9))
    }

    @Test func `a summary that disagrees with the detail is refused`() throws {
        let bill = try sampleBill()
        for (old, new, column) in [
            ("合计\t,\t,17,3,", "合计\t,\t,18,3,", "交易订单总笔数"), ("合计\t,\t,17,3,", "合计\t,\t,17,2,", "退款订单总笔数"),
            ("合计\t,\t,17,3,7491.84,7491.84", "合计\t,\t,17,3,7491.83,7491.84", "订单金额（元）"),
            ("合计\t,\t,17,3,7491.84,7491.84", "合计\t,\t,17,3,7491.84,7491.83", "商家实收（元）"),
            ("7446.87\r\n#", "7446.86\r\n#", "实收净额（元）"),
        ] {
            let summary = bill.summary.replacing(old, with: new)
            #expect(summary != bill.summary)
            let bytes = try archive(bill.detail, summary)
            let defect = #expect(throws: StatementDefect.self) {
                try StatementContent(reading: StatementFile(bytes), from: .alipay)
            }
            #expect(defect?.column == column)
            #expect(defect?.line == 7)
            #expect(defect?.file == "x_业务明细(汇总).csv")
        }
    }

    @Test func `an archive with a stranger, or without the detail, is refused`() throws {
        let bill = try sampleBill()
        let detail = (name: "x_业务明细.csv", content: try GB18030.encode(bill.detail))
        let summary = (name: "x_业务明细(汇总).csv", content: try GB18030.encode(bill.summary))
        let stranger = (name: "readme.txt", content: [UInt8(1)])
        for entries in [[], [summary], [detail, stranger], [detail, detail]] {
            let bytes = try ZipArchive.bytes(of: entries, modifiedAt: bill.frame.exportedAt)
            #expect(throws: StatementDefect.self) { try StatementContent(reading: StatementFile(bytes), from: .alipay) }
        }
        #expect(
            try StatementContent(
                reading: StatementFile(ZipArchive.bytes(of: [detail], modifiedAt: bill.frame.exportedAt)), from: .alipay
            ).lines.count == 20)
    }

    private func archive(_ detail: String, _ summary: String) throws -> [UInt8] {
        try ZipArchive.bytes(
            of: [
                (name: "x_业务明细.csv", content: GB18030.encode(detail)),
                (name: "x_业务明细(汇总).csv", content: GB18030.encode(summary)),
            ],
            modifiedAt: Instant(seconds: 1_791_259_200))
    }

    /// The sample's rows, as its lines tell them.
    private func sampleBill() throws -> AlipayBillWriter {
        let content = try StatementContent(reading: StatementFile(AlipayFixtures.bytes(Self.detailName)), from: .alipay)
        let masks = try GB18030.decode(AlipayFixtures.bytes(Self.detailName)).split(separator: "\r\n")
            .filter { !$0.hasPrefix("#") }.dropFirst().map { $0.split(separator: ",")[10] }
        return AlipayBillWriter(
            account: try #require(content.summary.account),
            date: try #require(content.summary.date),
            exportedAt: try #require(Instant(text: "2026-10-06 08:31:12")),
            entries: try zip(content.lines, masks).map { line, buyer in
                AlipayBillEntry(
                    kind: line.kind == .payment ? .payment : .refund,
                    tradeNumber: line.counterpartNumber,
                    paymentSerial: line.parentReference ?? line.reference,
                    refundSerial: line.parentReference == nil ? "" : line.reference,
                    subject: line.details["商品名称"] ?? "",
                    createdAt: try #require(line.details["创建时间"].flatMap { Instant(text: $0) }),
                    finishedAt: line.occurredAt,
                    buyer: String(buyer),
                    amount: line.amount,
                    fee: line.fee,
                    memo: line.details["备注"] ?? ""
                )
            }
        )
    }
}

@Suite struct `Zip archives` {
    private static let time = Instant(seconds: 1_791_259_200)

    @Test func `what is written is read back, names in Chinese`() throws {
        let entries = [
            (name: "业务明细.csv", content: Array("一二三".utf8)), (name: "empty", content: [UInt8]()),
        ]
        let bytes = try ZipArchive.bytes(of: entries, modifiedAt: Self.time)
        let archive = try ZipArchive(reading: StatementFile(bytes))
        #expect(archive.entries.map(\.name) == entries.map(\.name))
        for index in entries.indices { #expect(try archive.content(index) == entries[index].content) }
    }

    @Test func `a bomb is refused by what it claims, by what comes out, and by its ratio`() throws {
        let zeros = (name: "a", content: [UInt8](repeating: 0, count: 4 << 20))
        let bytes = try ZipArchive.bytes(of: [zeros], modifiedAt: Self.time)
        #expect(throws: ZipArchive.Defect.tooLarge) { try ZipArchive(reading: StatementFile(bytes)).content(0) }
        let generous = InflateLimits(size: 1 << 20, ratio: 2000, ratioFloor: 0)
        #expect(throws: ZipArchive.Defect.tooLarge) { try ZipArchive(reading: StatementFile(bytes), limits: generous) }
        let two = InflateLimits(size: 6 << 20, ratio: 2000, ratioFloor: 0)
        let pair = try ZipArchive.bytes(of: [zeros, (name: "b", content: zeros.content)], modifiedAt: Self.time)
        #expect(throws: ZipArchive.Defect.tooLarge) { try ZipArchive(reading: StatementFile(pair), limits: two) }
        // The directory lies about the size: inflating stops there.
        var liar = bytes
        let directory = try #require(liar.indices.last { liar[$0...].starts(with: [0x50, 0x4B, 1, 2]) })
        liar.replaceSubrange((directory + 24)..<(directory + 28), with: [16, 0, 0, 0])
        #expect(throws: ZipArchive.Defect.tooLarge) { try ZipArchive(reading: StatementFile(liar)).content(0) }
        // A file that only says more and more is stopped by its ratio, in the line it came to.
        let remarks = try GB18030.encode(
            "#支付宝业务明细查询\n" + String(repeating: "#\(String(repeating: "x", count: 100))\n", count: 30_000))
        let bomb = try ZipArchive.bytes(of: [(name: "业务明细.csv", content: remarks)], modifiedAt: Self.time)
        let defect = #expect(throws: StatementDefect.self) {
            try StatementContent(reading: StatementFile(bomb), from: .alipay)
        }
        #expect(defect?.reason == "larger than allowed when unpacked")
        #expect(defect?.file == "业务明细.csv")
        #expect((defect?.line ?? 0) > 1000)
    }

    @Test func `every cut and every flipped byte of the sample is refused or reads the same`() throws {
        let bytes = try AlipayFixtures.bytes(`Alipay bills`.zipName)
        let whole = try ZipArchive.contents(of: bytes)
        for end in stride(from: 0, to: bytes.count, by: 7) {
            #expect(throws: ZipArchive.Defect.self) { try ZipArchive.contents(of: Array(bytes[..<end])) }
        }
        for place in stride(from: 0, to: bytes.count, by: 3) {
            var broken = bytes
            broken[place] ^= 0x41
            if let read = try? ZipArchive.contents(of: broken) { #expect(read == whole) }
        }
    }

    @Test func `overlapping entries are refused`() throws {
        let entries = ["a", "b"].map { (name: $0, content: Array("x".utf8)) }
        var bytes = try ZipArchive.bytes(of: entries, modifiedAt: Self.time)
        let places = bytes.indices.filter { bytes[$0...].starts(with: [0x50, 0x4B, 1, 2]) }
        bytes.replaceSubrange((places[1] + 42)..<(places[1] + 46), with: [0, 0, 0, 0])
        bytes[places[1] + 46] = UInt8(ascii: "a")
        #expect(throws: ZipArchive.Defect.malformed("entries overlap")) {
            try ZipArchive(reading: StatementFile(bytes))
        }
    }

    @Test func `GB18030 goes both ways and refuses what it is not`() throws {
        for text in ["", "abc", "业务明细（元）€", "𠮷𪚥😀", String(repeating: "测", count: 100_000)] {
            #expect(try GB18030.decode(GB18030.encode(text)) == text)
        }
        #expect(try GB18030.encode("业务") == [0xD2, 0xB5, 0xCE, 0xF1])
        #expect(throws: GB18030.Defect.self) { try GB18030.decode([0x41, 0xFF]) }
        #expect(throws: GB18030.Defect.self) { try GB18030.decode([0x41, 0xD2]) }
    }
}

extension ZipArchive {
    /// An entry's content, whole.
    fileprivate func content(_ index: Int) throws -> [UInt8] {
        var content: [UInt8] = []
        try unpack(entries[index]) { content.append(contentsOf: $0) }
        return content
    }

    fileprivate static func contents(of bytes: [UInt8]) throws -> [[UInt8]] {
        let archive = try ZipArchive(reading: StatementFile(bytes))
        return try archive.entries.indices.map { try archive.content($0) }
    }
}

import CustodyDomain
import CustodyWire
import Foundation

/// Bills of any length in the channels' exact form, written in pieces; the same count gives the same bill.
enum SyntheticBill {
    /// The day they are about.
    static let date = BusinessDate(daysSinceEpoch: 20_731)

    /// Writes WeChat Pay's trade bill of all rows, one in twenty a refund, as a gzip file.
    static func weChatPay(lines: Int, at path: String) throws {
        let file = try file(at: path)
        defer { try? file.close() }
        var numbers = Numbers()
        var (paid, refunded, fee) = (Fen.zero, Fen.zero, FineYuan.zero)
        var text =
            "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
            + "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,"
            + "申请退款金额,费率备注\r\n"
        for index in 0..<lines {
            let amount = Fen(numbers.next(100_000) + 1)
            let isRefund = index % 20 == 19
            let charged = FineYuan(thousandthsOfFen: (isRefund ? -6 : 6) * amount.value)
            let (yuan, number) = (amount.yuan, 1_000_000_000 + index)
            if isRefund { refunded += amount } else { paid += amount }
            fee = FineYuan(thousandthsOfFen: fee.thousandthsOfFen + charged.thousandthsOfFen)
            text += "`\(time(index)),`wx8888888888888888,`1900000109,`19000011\(10 + index % 90),`,"
            text += "`420000241220261005\(number),`T20261005\(number),`oUpF8u\(numbers.name()),"
            text += index % 3 == 0 ? "`NATIVE," : "`JSAPI,"
            if isRefund {
                text += "`REFUND,`CMC,`CNY,`0.00,`0.00,`5000000038202610\(number),`R20261005\(number),`\(yuan),`0.00,"
                text += "`ORIGINAL,`SUCCESS,`测试商品\(index % 1000),`tenant-\(index % 500),`\(charged.yuan),`0.60%,"
                text += "`0.00,`\(yuan),`\r\n"
            } else {
                text += "`SUCCESS,`\(index % 2 == 0 ? "CMC" : "ICBC_DEBIT"),`CNY,`\(yuan),`0.00,`0,`0,`0.00,`0.00,`,`,"
                text += "`测试商品\(index % 1000),`tenant-\(index % 500),`\(charged.yuan),`0.60%,`\(yuan),`0.00,`\r\n"
            }
            if text.utf8.count > 2 << 20 { try flush(&text, into: file, packed: true) }
        }
        text += "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n"
        text += "`\(lines),`\(paid.yuan),`\(refunded.yuan),`0.00,`\(fee.yuan),`\(paid.yuan),`\(refunded.yuan)\r\n"
        try flush(&text, into: file, packed: true)
    }

    /// Writes Alipay's detail file of payments, in GB18030.
    static func alipay(lines: Int, at path: String) throws {
        let file = try file(at: path)
        defer { try? file.close() }
        var numbers = Numbers()
        var total = Fen.zero
        var text = "#支付宝业务明细查询\r\n#账号：[20880000000000000156]\r\n"
        text += "#起始日期：[2026年10月05日 00:00:00]   终止日期：[2026年10月06日 00:00:00]\r\n#----业务明细列表----\r\n"
        text +=
            "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,"
            + "支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
            + "退款批次号/请求号,服务费（元）,分润（元）,备注\r\n"
        for index in 0..<lines {
            let amount = Fen(numbers.next(100_000) + 1)
            total += amount
            let (yuan, number) = (amount.yuan, 1_000_000_000 + index)
            text += "202610052200140000\(number)\t,A20261005\(number)\t,交易\t,测试商品\(index % 1000),"
            text += "\(time(index)),\(time(index)),\t,\t,\t,\t,*测(138****\(1000 + index % 9000)),\(yuan),\(yuan),"
            text += "0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,\t,-\(Fen(amount.value * 6 / 1000).yuan),0.00,"
            text += "tenant-\(index % 500)\r\n"
            if text.utf8.count > 2 << 20 { try flush(&text, into: file, packed: false) }
        }
        text += "#----业务明细列表结束----\r\n#交易合计：\(lines)笔，商家实收共\(total.yuan)元，商家优惠共0.00元\r\n"
        text += "#退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元\r\n#导出时间：[2026年10月06日 08:31:12]\r\n"
        try flush(&text, into: file, packed: false)
    }

    private static func file(at path: String) throws -> FileHandle {
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    }

    /// Writes what was collected: as one member of a gzip file, which may have many, or in GB18030.
    private static func flush(_ text: inout String, into file: FileHandle, packed: Bool) throws {
        let bytes = packed ? Gzip.compressed(Array(text.utf8)) : try GB18030.encode(text)
        try file.write(contentsOf: Data(bytes))
        text = ""
    }

    private static func time(_ index: Int) -> String {
        (date.start + .seconds(index % 86_400)).shanghaiWallClock
    }

    /// Numbers that look as chosen by chance, and compress no better.
    private struct Numbers {
        private static let letters = Array("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_".utf8)
        private var state: UInt64 = 1

        /// A number from 0 up to a bound.
        mutating func next(_ bound: UInt64) -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64((state >> 33) % bound)
        }

        /// Twenty-two letters and digits.
        mutating func name() -> String {
            String(decoding: (0..<22).map { _ in Numbers.letters[Int(next(64))] }, as: UTF8.self)
        }
    }
}

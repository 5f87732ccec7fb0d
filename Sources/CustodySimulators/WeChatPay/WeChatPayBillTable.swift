import CustodyDomain

/// A bill on its way to a file: titles, rows behind back-ticks, summary titles, summary values.
struct WeChatPayBillTable {
    let columns: [String]
    var rows: [[String]] = []
    var totals: [(title: String, value: String)] = []

    /// The file, uncompressed.
    var bytes: [UInt8] {
        var lines = [columns.joined(separator: ",")]
        lines += rows.map { row in row.map { "`" + Self.escaped($0) }.joined(separator: ",") }
        if !totals.isEmpty {
            lines.append(totals.map(\.title).joined(separator: ","))
            lines.append(totals.map { "`" + $0.value }.joined(separator: ","))
        }
        return Array((lines.joined(separator: "\r\n") + "\r\n").utf8)
    }

    /// Commas and line ends as WeChat Pay writes them, so that splitting at commas stays safe.
    private static func escaped(_ text: String) -> String {
        text.replacing(",", with: "\\ ").replacing("\r", with: "").replacing("\n", with: "\\n")
    }

    /// The fund-flow bill (资金账单) of movements.
    static func fundFlow(_ flows: [WeChatPayAccount.Flow], submitter: String) -> WeChatPayBillTable {
        var table = WeChatPayBillTable(columns: [
            "记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型", "收支金额(元)", "账户结余(元)", "资金变更提交申请人", "备注",
            "业务凭证号",
        ])
        table.rows = flows.map { flow in
            [
                flow.at.shanghaiWallClock, flow.businessNumber, flow.number, flow.name, flow.type,
                flow.change < .zero ? "支出" : "收入", Fen(abs(flow.change.value)).yuan, flow.balance.yuan, submitter,
                flow.remark, flow.voucher,
            ]
        }
        let income = flows.map(\.change).filter { $0 >= .zero }
        let spent = flows.map(\.change).filter { $0 < .zero }
        table.totals = [
            ("资金流水总笔数", String(flows.count)), ("收入笔数", String(income.count)), ("收入金额", income.sum().yuan),
            ("支出笔数", String(spent.count)), ("支出金额", (-spent.sum()).yuan),
        ]
        return table
    }
}

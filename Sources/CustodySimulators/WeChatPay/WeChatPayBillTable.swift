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

    private static let fundFlowColumns = [
        "记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型", "收支金额(元)", "账户结余(元)", "资金变更提交申请人", "备注",
        "业务凭证号",
    ]

    /// The fund-flow bill (资金账单) of movements.
    static func fundFlow(_ flows: [WeChatPayAccount.Flow], submitter: String) -> WeChatPayBillTable {
        var table = WeChatPayBillTable(columns: fundFlowColumns)
        table.rows = flows.map { row($0, submitter) }
        table.totals = totals(flows)
        return table
    }

    /// The fund-flow bill of all sub-merchants, each with its own balances; the first two columns say whose they are.
    static func fundFlow(ofAll accounts: [(mchid: String, flows: [WeChatPayAccount.Flow])]) -> WeChatPayBillTable {
        var table = WeChatPayBillTable(columns: ["二级商户号", "账户类型"] + fundFlowColumns)
        for (mchid, flows) in accounts {
            table.rows += flows.map { [mchid, "BASIC"] + row($0, mchid) }
        }
        table.totals = totals(accounts.flatMap(\.flows))
        return table
    }

    private static func row(_ flow: WeChatPayAccount.Flow, _ submitter: String) -> [String] {
        [
            flow.at.shanghaiWallClock, flow.businessNumber, flow.number, flow.name, flow.type,
            flow.change < .zero ? "支出" : "收入", Fen(abs(flow.change.value)).yuan, flow.balance.yuan, submitter,
            flow.remark, flow.voucher,
        ]
    }

    private static func totals(_ flows: [WeChatPayAccount.Flow]) -> [(title: String, value: String)] {
        let income = flows.map(\.change).filter { $0 >= .zero }
        let spent = flows.map(\.change).filter { $0 < .zero }
        return [
            ("资金流水总笔数", String(flows.count)), ("收入笔数", String(income.count)), ("收入金额", income.sum().yuan),
            ("支出笔数", String(spent.count)), ("支出金额", (-spent.sum()).yuan),
        ]
    }
}

/// A marketplace platform (平台): the unit of isolation.
public enum Tenant: Identified {
    /// `ten_…`
    public static let idPrefix = "ten"
}

/// A shop on a platform (子商户).
public enum SubMerchant: Identified {
    /// `sub_…`
    public static let idPrefix = "sub"
}

/// A buyer's order (订单).
public enum Order: Identified {
    /// `ord_…`
    public static let idPrefix = "ord"
}

/// A payment of an order through a channel (支付).
public enum Payment: Identified {
    /// `pay_…`
    public static let idPrefix = "pay"
}

/// Money going back to the buyer (退款).
public enum Refund: Identified {
    /// `ref_…`
    public static let idPrefix = "ref"
}

/// A release of held money to its parties (分账).
public enum Split: Identified {
    /// `spl_…`
    public static let idPrefix = "spl"
}

/// Income on its way to a bound bank account (提现).
public enum Withdrawal: Identified {
    /// `wdr_…`
    public static let idPrefix = "wdr"
}

/// A channel's or bank's file for a day (对账单).
public enum Statement: Identified {
    /// `sta_…`
    public static let idPrefix = "sta"
}

/// A comparison of our receipts with the statements of a day (对账).
public enum Reconciliation: Identified {
    /// `rec_…`
    public static let idPrefix = "rec"
}

/// Something a comparison found that does not match (差错).
public enum Discrepancy: Identified {
    /// `dis_…`
    public static let idPrefix = "dis"
}

/// What one person proposes to do about a discrepancy (差错处理).
public enum Resolution: Identified {
    /// `res_…`
    public static let idPrefix = "res"
}

/// A message to a channel or the bank that changes something there (指令).
public enum Instruction: Identified {
    /// `ins_…`
    public static let idPrefix = "ins"
}

/// Something that happened, told to the platform's webhook endpoints.
public enum Event: Identified {
    /// `evt_…`
    public static let idPrefix = "evt"
}

/// A message from a channel or the bank, stored as it came (异步通知).
public enum Callback: Identified {
    /// `cbk_…`
    public static let idPrefix = "cbk"
}

/// A run that turned pending money into available money (结算).
public enum SettlementRun: Identified {
    /// `str_…`
    public static let idPrefix = "str"
}

/// A bank account bound by a sub-merchant (绑定银行账户).
public enum BankAccount: Identified {
    /// `acc_…`
    public static let idPrefix = "acc"
}

/// An entry group of the ledger (记账凭证).
public enum LedgerTransaction: Identified {
    /// `ltx_…`
    public static let idPrefix = "ltx"
}

/// An entry of the audit trail (操作日志).
public enum AuditEntry: Identified {
    /// `aud_…`
    public static let idPrefix = "aud"
}

/// A unit of later work (任务).
public enum Job: Identified {
    /// `job_…`
    public static let idPrefix = "job"
}

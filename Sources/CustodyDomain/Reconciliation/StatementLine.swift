/// Whose word a statement is.
public enum StatementSource: String, CaseIterable, Hashable, Sendable {
    /// WeChat Pay's bills.
    case weChatPay = "wechat_pay"
    /// Alipay's bills.
    case alipay
    /// The custodian's files.
    case bank
}

/// What one line of a statement reports.
public enum StatementLineKind: String, CaseIterable, Hashable, Sendable {
    /// A channel collected money from a buyer.
    case payment
    /// A channel gave money back to a buyer.
    case refund
    /// The bank was credited for a receipt (PAY file).
    case bankReceipt = "bank_receipt"
    /// The bank was debited for a refund (REF file).
    case bankRefund = "bank_refund"
    /// The bank paid out, or failed to (WDR file).
    case withdrawal
    /// A payout came back to the bank (WRT file, 退票).
    case withdrawalReturn = "withdrawal_return"
    /// A sub-account's balance at the day's end (BAL file).
    case balance
    /// An account moved, and what it held after that: a fund-flow bill's row, a row of the master account's file (MST).
    case movement
    /// A part of a payment went to a receiver, or came back from one (SPL file, profit-sharing bill).
    case split
    /// What a receiver got that day, in one sum (SPS file).
    case settlement
    /// The custodian charged something (CHG file).
    case bankFee = "bank_fee"
    /// A settlement card was bound, changed or released (CRD file).
    case card
    /// What came of one merchant of a stock import (STK file).
    case stock
}

/// A line of a channel's or bank's statement (对账单明细), in the one form that reconciliation knows.
public struct StatementLine: Hashable, Sendable {
    /// Its line in the file as delivered, from 1.
    public var lineNumber: Int
    /// What it reports.
    public var kind: StatementLineKind
    /// Our number: of the payment, refund, order or withdrawal; the sub-account's for a balance.
    public var reference: String
    /// Our number of the payment that a refund belongs to.
    public var parentReference: String?
    /// Their number of the same thing.
    public var counterpartNumber: String
    /// The amount, never negative: the kind says which way. Of a balance it is what is held, of a movement what changed;
    /// both may be negative.
    public var amount: Fen
    /// What they kept: positive for a cost, negative when a refund gives a fee back.
    public var fee: Fen
    /// Their word for its state, such as `SUCCESS`.
    public var status: String
    /// When it happened by their clock.
    public var occurredAt: Instant
    /// Whatever else the line says that a reader may want, by the file's own column names.
    public var details: [String: String]

    /// Makes a line.
    public init(
        lineNumber: Int, kind: StatementLineKind, reference: String, parentReference: String? = nil,
        counterpartNumber: String, amount: Fen, fee: Fen = .zero, status: String, occurredAt: Instant,
        details: [String: String] = [:]
    ) {
        self.lineNumber = lineNumber
        self.kind = kind
        self.reference = reference
        self.parentReference = parentReference
        self.counterpartNumber = counterpartNumber
        self.amount = amount
        self.fee = fee
        self.status = status
        self.occurredAt = occurredAt
        self.details = details
    }
}

/// What a statement is about, and what its lines come to; known once it was read to its end and found consistent.
public struct StatementSummary: Hashable, Sendable {
    /// Whose word it is.
    public var source: StatementSource
    /// The form of the file, such as `tradebill_all`, `business_detail`, `PAY`.
    public var form: String
    /// The account it is about, where the file says so: a merchant number, a market id.
    public var account: String?
    /// The day it is about, where the file says so.
    public var date: BusinessDate?
    /// How many lines it has.
    public var lineCount: Int
    /// The sum of its lines' amounts.
    public var amount: Fen

    /// Makes a summary.
    public init(
        source: StatementSource, form: String, account: String? = nil, date: BusinessDate? = nil, lineCount: Int = 0,
        amount: Fen = .zero
    ) {
        self.source = source
        self.form = form
        self.account = account
        self.date = date
        self.lineCount = lineCount
        self.amount = amount
    }

    /// Under which name a day's statement is kept: all of a channel's trade bills are `trade`, both channels' fund flows have
    /// one name, every other file is its form.
    public var series: String {
        switch form {
        case "business_detail": "trade"
        case _ where form.hasPrefix("tradebill_"): "trade"
        case "account": "fund_flow"
        case "sub_accounts": "sub_merchant_fund_flow"
        default: form
        }
    }
}

/// A statement held whole: what a small file is read into.
public struct StatementContent: Hashable, Sendable {
    /// What it is about.
    public var summary: StatementSummary
    /// All its lines, in order.
    public var lines: [StatementLine]

    /// Makes a content.
    public init(summary: StatementSummary, lines: [StatementLine]) {
        self.summary = summary
        self.lines = lines
    }
}

/// A statement's lines on their way into the database, as the staging table takes them: PostgreSQL's binary COPY format,
/// in chunks.
///
/// Reading them throws a ``StatementDefect`` as soon as one is found; nothing read before it counts then.
public protocol StatementRows: AsyncSequence, Sendable where Element == [UInt8], Failure == any Error {
    /// What the lines come to; nil until they were read to their end and found consistent with the file's own totals.
    var summary: StatementSummary? { get }
}

/// Why a statement was refused whole.
public struct StatementDefect: Error, Hashable, Sendable {
    /// What is wrong, in one clear sentence without amounts of people or names.
    public let reason: String
    /// The file's name, where it has one; of an archive, the name of the file in it.
    public var file: String?
    /// The line, from 1; nil when it is the whole file.
    public let line: Int?
    /// The column's name, where it is one.
    public let column: String?

    /// Makes a defect.
    public init(_ reason: String, file: String? = nil, line: Int? = nil, column: String? = nil) {
        self.reason = reason
        self.file = file
        self.line = line
        self.column = column
    }

    /// File, line and column as far as they are known, then the reason.
    public var sentence: String {
        let place = [file, line.map { "line \($0)" }, column.map { "column \($0)" }].compactMap(\.self)
        return place.isEmpty ? reason : "\(place.joined(separator: ", ")): \(reason)"
    }
}

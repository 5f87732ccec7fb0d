import CustodyDomain
import CustodyWire

/// What a market's contract with the bank says: read when it is registered, `terms` in the body.
struct BankTerms: Sendable {
    /// How long each step of a merchant's review takes.
    var reviewStep: Duration = .seconds(120)
    /// Whether a merchant must sign before it is active, and within how many days.
    var signatureDays: Int64?
    /// Whether split money becomes withdrawable only at the next turn of the bank's date after it was funded.
    var releasesAtDayTurn = false
    /// When the bank's date turns, since midnight: at midnight itself unless the contract says earlier.
    var cutOff: Duration = .seconds(86_400)
    /// How long it takes to turn.
    var cutting: Duration = .zero
    /// Whether money movements are refused meanwhile; otherwise they fall on the next date.
    var refusesWhileCutting = true
    /// How many days after its payment an order may still be registered; nil for any.
    var registrationDays: Int64?
    /// How many days after its payment an order's held money is set free by itself.
    var splitDays: Int64 = 180
    /// Whether the platform's deposit covers refunds for which a merchant's balance is short.
    var depositCoversRefunds = false
    /// Whether files are announced (FILE.NOTIFY) when they are there.
    var announcesFiles = false
    /// Whether amounts listed in ``BankMagic`` do what is said there.
    var hasMagicAmounts = true

    init() {}

    /// Reads what is said; the rest keeps to the defaults.
    init(reading body: JSON) throws(BankRefusal) {
        let terms = body["terms"] ?? [:]
        if let seconds = (terms["review_step_seconds"] ?? body["review_step_seconds"])?.integer {
            reviewStep = .seconds(seconds)
        }
        releasesAtDayTurn = (terms["release"] ?? body["release"])?.string == "day_turn"
        if let text = terms["cut_off"]?.string {
            let parts = text.split(separator: ":").compactMap { Int64($0) }
            guard parts.count == 2, (0...24).contains(parts[0]), (0...59).contains(parts[1]) else {
                throw BankRefusal("100001", "cut_off is no time of day")
            }
            cutOff = .seconds(parts[0] * 3600 + parts[1] * 60)
        }
        if let minutes = terms["cutting_minutes"]?.integer { cutting = .seconds(minutes * 60) }
        if let text = terms["cutting"]?.string { refusesWhileCutting = text != "next_date" }
        signatureDays = terms["signature_days"]?.integer
        registrationDays = terms["registration_days"]?.integer
        if let days = terms["split_days"]?.integer { splitDays = days }
        depositCoversRefunds = terms["deposit_covers_refunds"]?.bool ?? false
        announcesFiles = terms["announce_files"]?.bool ?? false
        hasMagicAmounts = terms["magic_amounts"]?.bool ?? true
    }
}

/// The bank's own date.
extension BankMarket {
    /// The accounting date at an instant: from the cut-off on it is the next one.
    func bankDate(of now: Instant) -> BusinessDate { BusinessDate(of: now + (.seconds(86_400) - terms.cutOff)) }

    /// Whether the date is turning.
    func isCutting(_ now: Instant) -> Bool {
        let turnedAt = bankDate(of: now).advanced(by: -1).start + terms.cutOff
        return now < turnedAt + terms.cutting
    }

    /// When the date turns next.
    func nextCut(after now: Instant) -> Instant { bankDate(of: now).start + terms.cutOff }

    /// Operations that move money, which wait for the day to be open.
    static let moneyMovements: Set<String> = [
        "REF.CREATE", "SETTLE.CONFIRM", "SPLIT.CREATE", "SPLIT.REVERSE", "WDR.CREATE", "FRZ.CREATE", "FRZ.RELEASE",
        "XFER.CREATE", "SUSP.ASSIGN", "SUSP.UNDO", "PAY.CREATE", "ORD.CANCEL", "BATCH.CREATE",
    ]
}

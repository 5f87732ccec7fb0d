import CustodyDomain

/// A merchant's money at simulated WeChat Pay: what it may spend, what is held back for splitting, and every movement.
struct WeChatPayAccount {
    /// A movement (资金流水).
    struct Flow {
        let at: Instant
        let number: String
        /// WeChat's number of the business it comes from.
        let businessNumber: String
        /// `交易`, `扣除交易手续费`, `退款`, `分账`, `提现`, `提现退票`, …
        let name: String
        /// `交易`, `退款`, `分账`, `提现`, …
        let type: String
        let change: Fen
        /// What the account holds after it, held back or not.
        let balance: Fen
        let remark: String
        /// The merchant's own number.
        let voucher: String
    }

    /// Which money a movement takes or brings.
    enum Purse {
        case available, held
    }

    private(set) var available = Fen.zero
    private(set) var held = Fen.zero
    private(set) var flows: [Flow] = []
    /// What there was after each change, for the balances at the ends of days.
    private var history: [(at: Instant, available: Fen, held: Fen)] = []

    /// Money comes or goes; nothing is noted of nothing.
    mutating func book(
        _ change: Fen, _ purse: Purse, at: Instant, number: String, name: String, type: String, business: String,
        voucher: String, remark: String = ""
    ) {
        guard change != .zero else { return }
        if purse == .available { available += change } else { held += change }
        history.append((at, available, held))
        flows.append(
            Flow(
                at: at, number: number, businessNumber: business, name: name, type: type, change: change,
                balance: available + held, remark: remark, voucher: voucher))
    }

    /// Held money becomes the merchant's to spend (解冻).
    mutating func release(_ amount: Fen, at: Instant) {
        available += amount
        held -= amount
        history.append((at, available, held))
    }

    /// What there was at an instant.
    func balances(before end: Instant) -> (available: Fen, held: Fen) {
        history.last { $0.at < end }.map { ($0.available, $0.held) } ?? (.zero, .zero)
    }

    /// The movements of a day, oldest first.
    func flows(of date: BusinessDate) -> [Flow] { flows.filter { BusinessDate(of: $0.at) == date } }
}

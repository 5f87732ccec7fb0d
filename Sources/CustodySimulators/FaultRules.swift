import CustodyDomain
import CustodyWire
import Synchronization

/// A planted fault: what goes wrong, for which requests, how often.
public struct FaultRule: Sendable {
    /// The operation it applies to, by the simulator's own names; `*` for all.
    public var operation: String
    /// Applies to this merchant only; nil for all.
    public var merchant: String?
    /// Applies to this number of ours only; nil for all.
    public var serial: String?
    /// Applies to this amount only; nil for all.
    public var amount: Fen?
    /// What goes wrong, by the simulator's own names.
    public var fault: String
    /// How many more times.
    public var count: Int
    /// The whole rule as planted, for whatever else the fault needs.
    public var parameters: JSON

    /// Reads `{"operation","match":{"merchant"?,"serial"?,"amount_fen"?},"fault","count"}`; a count left out is 1.
    ///
    /// nil when operation or fault is missing.
    public init?(_ json: JSON) {
        guard let operation = json["operation"]?.string, let fault = json["fault"]?.string else { return nil }
        self.operation = operation
        self.fault = fault
        merchant = json["match"]?["merchant"]?.string
        serial = json["match"]?["serial"]?.string
        amount = json["match"]?["amount_fen"]?.integer.map(Fen.init)
        count = json["count"]?.integer.map { Int(clamping: $0) } ?? 1
        parameters = json
    }
}

/// The faults planted at a simulator, oldest first.
public final class FaultRules: Sendable {
    private let rules = Mutex<[FaultRule]>([])

    /// Makes an empty set.
    public init() {}

    /// Plants a rule behind those there are.
    public func plant(_ rule: FaultRule) { rules.withLock { $0.append(rule) } }

    /// Removes all rules.
    public func clear() { rules.withLock { $0 = [] } }

    /// All rules with uses left.
    public var all: [FaultRule] { rules.withLock { $0 } }

    /// Takes one use of the first rule that matches; nil when nothing goes wrong.
    ///
    /// One of the line's (``LineFault``) counts for the request that is being answered, whose listener carries it out: to
    /// the simulator itself nothing goes wrong then.
    public func take(
        _ operation: String, merchant: String? = nil, serial: String? = nil, amount: Fen? = nil
    ) -> FaultRule? {
        let drawn = DrawnLineFault.current
        let found = rules.withLock { rules -> FaultRule? in
            let index = rules.firstIndex { rule in
                (LineFault(rawValue: rule.fault) == nil || drawn?.isFree == true)
                    && (rule.operation == operation || rule.operation == "*")
                    && (rule.merchant == nil || rule.merchant == merchant)
                    && (rule.serial == nil || rule.serial == serial) && (rule.amount == nil || rule.amount == amount)
            }
            guard let index else { return nil }
            let rule = rules[index]
            rules[index].count -= 1
            if rules[index].count <= 0 { rules.remove(at: index) }
            return rule
        }
        guard let found, LineFault(rawValue: found.fault) != nil else { return found }
        drawn?.draw(found)
        return nil
    }
}

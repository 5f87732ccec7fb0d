import CustodyDomain

extension Capabilities {
    /// What a bank has that speaks CWP/1 and keeps to its defaults.
    public static let cwp1 = Capabilities(
        name: "CWP/1",
        // Receivers need no registration: every account of the market can receive.
        operations: Set(CustodianOperation.allCases).subtracting([.addReceiver, .removeReceiver]),
        collector: .platform, signer: .platform, splitTimings: [.later, .onConfirmation], confirmsPartially: true,
        refundSources: Set(RefundSource.allCases), withdrawalSpeeds: Set(WithdrawalSpeed.allCases),
        verifications: Set(AccountBinding.Verification.allCases), deliveries: [.push, .poll],
        fileKinds: [.receipts, .refunds, .withdrawals, .returns, .balances],
        limits: .init(partsPerOrder: 50, itemsPerSplit: 30, splitsPerOrder: 50, refundsPerOrder: 50),
        numbers: .init(serialLength: 64, businessLength: 64, alphanumericOnly: false, isOneSpace: true),
        notifySchedule: Array(repeating: .seconds(300), count: 6))
}

// Ten calls to Savepoint, and one error that is told from others by its reason. docs/clients.md has the commands.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	inventory "savepoint.example/go/inventory/v1"
	leaderboard "savepoint.example/go/leaderboard/v1"
	profile "savepoint.example/go/profile/v1"
)

const (
	deadline = 10 * time.Second // of a call, its retries included

	// Calls that find a service away or busy are made again; so the same request_id has to be in each try.
	// grpc-go before 1.40 reads this only with GRPC_GO_RETRY=on in the environment.
	serviceConfig = `{"methodConfig": [{"name": [{}], "retryPolicy": {
		"maxAttempts": 5, "initialBackoff": "1s", "backoffMultiplier": 2, "maxBackoff": "10s",
		"retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}}]}`
)

// call makes one call with its deadline.
func call[Request, Response any](
	method func(context.Context, *Request, ...grpc.CallOption) (*Response, error), request *Request,
) (*Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	return method(ctx, request)
}

// errorInfo is what programs match on; nil for an error that does not come from Savepoint, but from the network.
func errorInfo(err error) *errdetails.ErrorInfo {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info
		}
	}
	return nil
}

// newUUID makes an id for a new request or player: version 4 of RFC 9562.
func newUUID() string {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		log.Fatalf("no random numbers: %v", err)
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func createPlayer(players profile.ProfileServiceClient, username string) (*profile.Player, error) {
	requestID := newUUID()
	created, err := call(players.CreatePlayer, &profile.CreatePlayerRequest{
		RequestId: &requestID, Username: username, Email: username + "@example.com",
	})
	if err != nil {
		return nil, fmt.Errorf("CreatePlayer: %w", err)
	}
	fmt.Printf("CreatePlayer: %s\n", created.GetPlayer().GetUsername())
	return created.GetPlayer(), nil
}

func run(address string) error {
	// Debian 12 has grpc-go 1.33. Since 1.63 these are called grpc.NewClient and insecure.NewCredentials().
	connection, err := grpc.Dial(address, grpc.WithInsecure(), grpc.WithDefaultServiceConfig(serviceConfig))
	if err != nil {
		return err
	}
	defer connection.Close()
	players, wallets := profile.NewProfileServiceClient(connection), profile.NewWalletServiceClient(connection)
	items := inventory.NewInventoryServiceClient(connection)
	boards := leaderboard.NewLeaderboardServiceClient(connection)

	run := newUUID()[:8] // names are taken once
	ada, err := createPlayer(players, "ada-"+run)
	if err != nil {
		return err
	}
	bob, err := createPlayer(players, "bob-"+run)
	if err != nil {
		return err
	}

	read, err := call(players.GetPlayer, &profile.GetPlayerRequest{PlayerId: ada.GetPlayerId()})
	if err != nil {
		return fmt.Errorf("GetPlayer: %w", err)
	}
	fmt.Printf("GetPlayer: level %d, mmr %d\n", read.GetPlayer().GetLevel(), read.GetPlayer().GetMmr())

	adjusted, err := call(wallets.AdjustCoins, &profile.AdjustCoinsRequest{
		RequestId: newUUID(), PlayerId: ada.GetPlayerId(), Delta: 100, Reason: "daily_bonus",
	})
	if err != nil {
		return fmt.Errorf("AdjustCoins: %w", err)
	}
	fmt.Printf("AdjustCoins: %d coins\n", adjusted.GetWallet().GetCoins())

	moved, err := call(wallets.TransferCoins, &profile.TransferCoinsRequest{
		RequestId: newUUID(), SenderPlayerId: ada.GetPlayerId(), ReceiverPlayerId: bob.GetPlayerId(),
		Amount: 40, Reason: "gift",
	})
	if err != nil {
		return fmt.Errorf("TransferCoins: %w", err)
	}
	fmt.Printf("TransferCoins: %d coins left, %d there\n", moved.GetSender().GetCoins(), moved.GetReceiver().GetCoins())

	granted, err := call(items.GrantItem, &inventory.GrantItemRequest{
		RequestId: newUUID(),
		Grant: &inventory.ItemGrant{
			PlayerId: ada.GetPlayerId(), ItemType: "consumable", ItemId: "health_potion", Quantity: 3,
		},
	})
	if err != nil {
		return fmt.Errorf("GrantItem: %w", err)
	}
	fmt.Printf("GrantItem: %d x %s\n", granted.GetItem().GetQuantity(), granted.GetItem().GetItemId())

	owned, err := call(items.ListItems, &inventory.ListItemsRequest{PlayerId: ada.GetPlayerId()})
	if err != nil {
		return fmt.Errorf("ListItems: %w", err)
	}
	fmt.Printf("ListItems: %d stack\n", len(owned.GetItems()))

	created, err := call(boards.CreateLeaderboard, &leaderboard.CreateLeaderboardRequest{
		Leaderboard: &leaderboard.Leaderboard{LeaderboardId: "weekly-" + run},
	})
	if err != nil {
		return fmt.Errorf("CreateLeaderboard: %w", err)
	}
	board := created.GetLeaderboard().GetLeaderboardId()
	fmt.Printf("CreateLeaderboard: %s\n", board)

	scoreID := newUUID()
	submitted, err := call(boards.SubmitScore, &leaderboard.SubmitScoreRequest{
		RequestId:  &scoreID,
		Submission: &leaderboard.ScoreSubmission{LeaderboardId: board, EntryId: ada.GetPlayerId(), Score: 4200},
	})
	if err != nil {
		return fmt.Errorf("SubmitScore: %w", err)
	}
	fmt.Printf("SubmitScore: rank %d\n", submitted.GetEntry().GetRank())

	top, err := call(boards.ListTop, &leaderboard.ListTopRequest{LeaderboardId: board, PageSize: 10})
	if err != nil {
		return fmt.Errorf("ListTop: %w", err)
	}
	for _, entry := range top.GetEntries() {
		fmt.Printf("ListTop: rank %d with %d\n", entry.GetRank(), entry.GetScore())
	}

	// Ada has 60 coins: a refusal that the game expects.
	_, err = call(wallets.AdjustCoins, &profile.AdjustCoinsRequest{
		RequestId: newUUID(), PlayerId: ada.GetPlayerId(), Delta: -250, Reason: "sword_of_dawn",
	})
	info := errorInfo(err)
	if info.GetReason() != "INSUFFICIENT_COINS" {
		return fmt.Errorf("AdjustCoins should have been refused for too few coins, not: %v", err)
	}
	fmt.Printf("refused: %s, has %s of %s\n", info.GetReason(), info.GetMetadata()["have"], info.GetMetadata()["need"])
	return nil
}

func main() {
	port := os.Getenv("SAVEPOINT_PORT")
	if port == "" {
		port = "8080"
	}
	if err := run("127.0.0.1:" + port); err != nil {
		log.Fatal(err)
	}
}

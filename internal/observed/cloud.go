package observed

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go/logging"
)

// MetadataClient makes a client of the instance metadata service. It speaks
// IMDSv2 only.
func MetadataClient() *imds.Client {
	return imds.New(imds.Options{
		Endpoint:       os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
		EnableFallback: aws.FalseTernary,
	})
}

// Connect builds a client of EC2; see Settings.
func Connect(ctx context.Context) (*ec2.Client, error) {
	cfg, err := Settings(ctx)
	if err != nil {
		return nil, err
	}
	return ec2.NewFromConfig(cfg), nil
}

// Settings reads the SDK's own chain of settings (AWS_ENDPOINT_URL, AWS_REGION,
// profiles, roles). It may ask the metadata service for the region, so keep it
// away from the host's path. Clients made from them say nothing on standard
// error, where the SDK would write lines of a form of its own; what fails comes
// back as an error.
func Settings(ctx context.Context) (aws.Config, error) {
	metadata := MetadataClient()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}), config.WithEC2RoleCredentialOptions(func(o *ec2rolecreds.Options) {
		o.Client = metadata
	}))
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the AWS settings: %w", err)
	}
	if cfg.Region == "" {
		if cfg.Region, err = region(ctx, metadata); err != nil {
			return aws.Config{}, err
		}
	}
	return cfg, nil
}

func region(ctx context.Context, metadata *imds.Client) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	out, err := metadata.GetRegion(ctx, &imds.GetRegionInput{})
	if err != nil {
		return "", fmt.Errorf("finding the AWS region (set AWS_REGION to name it): %w: %w", ErrNoMetadata, err)
	}
	return out.Region, nil
}
